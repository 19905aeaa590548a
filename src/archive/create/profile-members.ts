// Which members an archive of each profile has beside the images, and in which order: facts of the programs that read them, checked before
// anything is written.

import { arch, hostname, release } from 'node:os';
import { join } from 'node:path';
import type { ProfileName } from '../profiles.js';
import type { TreesRequest } from '../tree/trees.js';
import { fileMember, imageMembers, type Member, optionalFile } from './members.js';

export type Addition =
  | { readonly name: string; readonly content: Uint8Array | string }
  | { readonly name: string; readonly path: string };

export interface ProfileRequest {
  readonly profile: ProfileName;
  readonly imagesDir: string;
  /** Where CRIU has left its log and figures. */
  readonly workDir: string;
  readonly additions: readonly Addition[];
  readonly now: Date;
}

interface Profile {
  /** Without them its program does not restore. */
  readonly needed: readonly string[];
  /** CRIU's own that its program has at the root. */
  readonly figures: readonly string[];
  /** Where nothing else was given. */
  readonly usual: Readonly<Record<string, string>>;
}

const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  neutral: { needed: [], figures: ['dump.log', 'stats-dump'], usual: {} },
  // Podman writes network.status also when there is no network.
  podman: { needed: ['config.dump', 'spec.dump'], figures: ['stats-dump'], usual: { 'network.status': '{}' } },
  'cri-o': { needed: ['config.dump', 'spec.dump'], figures: ['stats-dump', 'dump.log'], usual: {} },
  containerd: {
    needed: ['config.dump', 'spec.dump', 'status', 'status.dump'],
    figures: ['dump.log', 'stats-dump'],
    usual: {},
  },
};

/** Throws RangeError when what was asked for is no archive of that profile. */
export function assertComplete(
  profile: ProfileName,
  additions: readonly Addition[],
  made: readonly string[] = [],
): void {
  const names = [...additions.map(({ name }) => name), ...made];
  const missing = PROFILES[profile].needed.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new RangeError(`Cannot make an archive for ${profile}: it needs ${missing.join(', ')}`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new RangeError(`Cannot put "${twice}" into an archive twice`);
  const bad = names.find(
    (name) => !/^[^/].*[^/]$|^[^/]$/.test(name) || name.split('/').some(isNoName) || isReserved(name),
  );
  if (bad !== undefined) throw new RangeError(`Cannot put "${bad}" into an archive: the name is not possible there`);
}

/** The names of the members that they become. Throws RangeError for what cannot be one, TypeError for an empty path. */
export function assertTrees({
  rootfs,
  volumes,
  shm,
}: Pick<TreesRequest, 'rootfs' | 'volumes' | 'shm'>): readonly string[] {
  const paths = [rootfs, shm, ...volumes.map(({ path }) => path)];
  if (paths.includes('')) throw new TypeError('Cannot make an archive: a path is empty');
  const bad = volumes.find(({ name }) => name.includes('/') || isNoName(name));
  if (bad !== undefined) throw new RangeError(`Cannot archive a volume as "${bad.name}": that is no name of one`);
  return [
    ...(rootfs === undefined ? [] : ['rootfs-diff.tar', 'deleted.files']),
    ...(shm === undefined ? [] : ['devshm-checkpoint.tar']),
    ...volumes.map(({ name }) => `volumes/${name}.tar`),
  ];
}

function isNoName(part: string): boolean {
  return part === '' || part === '.' || part === '..' || part.includes('\0');
}

function isReserved(name: string): boolean {
  return name === 'frazil.index' || /^checkpoint(-\d+)?(\/|$)/.test(name);
}

/** CRIU's own that belong into an archive of that profile. */
export function figuresOf(profile: ProfileName): readonly string[] {
  return PROFILES[profile].figures;
}

/** All members, images first. Throws IO, or IMAGES_CORRUPT. */
export async function membersFor(request: ProfileRequest): Promise<readonly Member[]> {
  const { profile, imagesDir, workDir, additions } = request;
  const given = new Set(additions.map(({ name }) => name));
  const images = await imageMembers(imagesDir);
  const wanted = figuresOf(profile).filter((name) => !given.has(name));
  const found = wanted.map((name) => optionalFile(name, join(workDir, name)));
  return [
    ...images,
    ...(await Promise.all(found)).flat(),
    ...(await addedMembers(request)),
    ...(profile === 'neutral' && !given.has('frazil.json') ? [await neutralFacts(request)] : []),
  ];
}

/** What was given, and what a profile has where nothing was. Throws IO. */
export async function addedMembers({
  profile,
  additions,
}: Pick<ProfileRequest, 'profile' | 'additions'>): Promise<readonly Member[]> {
  const given = new Set(additions.map(({ name }) => name));
  const added = additions.map(async (one) => ('path' in one ? fileMember(one.name, one.path) : inMemory(one)));
  const rest = Object.entries(PROFILES[profile].usual).flatMap(([name, content]) =>
    given.has(name) ? [] : [inMemory({ name, content })],
  );
  return [...(await Promise.all(added)), ...rest];
}

function inMemory({ name, content }: { readonly name: string; readonly content: Uint8Array | string }): Member {
  return { kind: 'bytes', name, content: Buffer.from(content) };
}

async function neutralFacts({ imagesDir, now }: ProfileRequest): Promise<Member> {
  // With the schemas of all images: not for who only imports this.
  const { readPstree } = await import('../../images/pstree.js');
  const [root] = await readPstree(imagesDir);
  const facts = {
    frazilArchive: 1,
    profile: 'neutral',
    images: 'checkpoint',
    ...(root === undefined ? {} : { pid: root.pid }),
    createdAt: now.toISOString(),
    host: { name: hostname(), arch: arch(), kernel: release() },
  };
  return inMemory({ name: 'frazil.json', content: `${JSON.stringify(facts, undefined, 2)}\n` });
}
