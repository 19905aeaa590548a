// The neutral profile: what Frazil itself wants to know of a checkpoint that belongs to no container engine.

import { arch, hostname, release } from 'node:os';
import type { BytesMember } from '../create/members.js';

export const NEUTRAL = 'neutral';
export const NEUTRAL_MEMBER = 'frazil.json';

export interface NeutralFacts {
  readonly pid: number;
  readonly criu: string;
  readonly createdAt: Date;
}

/** `images` is the directory in the archive that `criu restore -D` takes. */
export function neutralMembers({ pid, criu, createdAt }: NeutralFacts): readonly BytesMember[] {
  const facts = {
    frazilArchive: 1,
    profile: NEUTRAL,
    images: 'checkpoint',
    pid,
    createdAt: createdAt.toISOString(),
    criu,
    host: { name: hostname(), arch: arch(), kernel: release() },
  };
  return [{ kind: 'bytes', name: NEUTRAL_MEMBER, content: Buffer.from(`${JSON.stringify(facts, undefined, 2)}\n`) }];
}
