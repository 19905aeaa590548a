// The members that are made of a container's files, as far as they were asked for.

import { readFile } from 'node:fs/promises';
import type { BytesMember } from '../create/members.js';
import type { Addition } from '../create/profile-members.js';
import type { ProfileName } from '../profiles.js';
import type { TreeMember, TreesRequest } from './trees.js';

export interface ContainerTreesRequest {
  readonly profile: ProfileName;
  readonly additions: readonly Addition[];
  readonly trees: Pick<TreesRequest, 'rootfs' | 'volumes' | 'shm'>;
}

export interface ContainerTrees extends AsyncDisposable {
  readonly members: readonly (TreeMember | BytesMember)[];
}

/** Throws IO, FEATURE_MISSING, RangeError. */
export async function containerTrees({ profile, additions, trees }: ContainerTreesRequest): Promise<ContainerTrees> {
  if (trees.rootfs === undefined && trees.shm === undefined && trees.volumes.length === 0)
    return { members: [], [Symbol.asyncDispose]: async () => {} };
  const { openTrees } = await import('./trees.js');
  const opened = await openTrees({ ...trees, profile, spec: await textOf(additions, 'spec.dump') });
  const { members, deleted } = opened;
  // As Podman writes it.
  const content = Buffer.from(JSON.stringify(deleted, undefined, 2));
  return {
    members: [
      ...members,
      ...(deleted.length === 0 ? [] : [{ kind: 'bytes', name: 'deleted.files', content } as const]),
    ],
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function textOf(additions: readonly Addition[], name: string): Promise<string | undefined> {
  const found = additions.find((one) => one.name === name);
  if (found === undefined) return undefined;
  return 'content' in found ? Buffer.from(found.content).toString('utf8') : readFile(found.path, 'utf8');
}
