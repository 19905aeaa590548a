// What libcriu's return values mean (lib/c/criu.h).

import { constants } from 'node:os';
import type { LibcriuOutcome } from '../addon/libcriu.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Answer, CriuVersion, ExitStatus, RequestKind, ServedPayloads } from './session.js';

export interface Ending {
  readonly exit?: ExitStatus;
  readonly stderr: string;
  readonly terminated: boolean;
  readonly refusedAt?: string;
}

/** EBADE: CRIU answered that it failed. Node's constants lack it and ECOMM. */
const EBADE = 52;
const { EBADMSG, EINVAL } = constants.errno;

type Payloads = { readonly [K in RequestKind]?: (outcome: LibcriuOutcome) => ServedPayloads[K] };

const PAYLOADS: Payloads = {
  VERSION: ({ value }) => ({ version: versionOf(value) }),
  FEATURE_CHECK: ({ features: [mem_track = false, lazy_pages = false, pidfd_store = false] }) => ({
    features: { mem_track, lazy_pages, pidfd_store },
  }),
  CHECK: () => ({}),
  DUMP: ({ value }) => ({ restored: value === 1 }),
  SINGLE_PRE_DUMP: () => ({}),
  RESTORE: ({ value }) => ({ pid: value }),
};

/** Throws PROTOCOL when CRIU answered something else than was asked. */
export function libcriuAnswer<K extends RequestKind>(kind: K, outcome: LibcriuOutcome, ending: Ending): Answer<K> {
  const { value, errno } = outcome;
  const { refusedAt, ...left } = ending;
  if (value >= 0) {
    const payload = PAYLOADS[kind]?.(outcome);
    if (payload !== undefined) return { kind: 'served', ...payload };
  }
  if (refusedAt !== undefined) return { kind: 'refused', refusedAt };
  if (value === -EBADE || value === -EINVAL) return { kind: 'refused', ...(errno > 0 ? { errno } : {}) };
  if (value === -EBADMSG)
    throw new CheckpointError('PROTOCOL', `Cannot finish ${kind}: libcriu could not read CRIU's answer`, {
      expected: `an answer to ${kind}`,
    });
  return { kind: 'hung-up', ...left };
}

/** libcriu's own form: 4.2.1 is 40201. */
function versionOf(value: number): CriuVersion {
  return { major: Math.floor(value / 10_000), minor: Math.floor(value / 100) % 100, sublevel: value % 100 };
}
