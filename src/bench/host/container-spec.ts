/** The two kinds of containers that the harness makes: config.json, and the files of one that has its own. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface Contained {
  /** The command. */
  readonly target: readonly string[];
  /** A folder that it has in the same place. */
  readonly shared: string;
}

const LIBRARIES = ['/usr', '/lib', '/lib64'];

/** With the host's libraries and pids; its root filesystem is empty. */
export function boundContainer({ target, shared }: Contained): object {
  const [program = ''] = target;
  const bound = [...LIBRARIES, dirname(program)].map((path) => bind(path, 'ro'));
  return specOf(target, { mounts: [...bound, bind(shared, 'rw')], namespaces: [] });
}

/** Where a root filesystem of ours has the target. */
export const PROGRAM = '/bin/target';

// A small image: what is looked at again for changes grows with the files, what travels with their bytes.
const FOLDERS = 20;
const FILES_PER_FOLDER = 25;
const FILE_BYTES = 16 * 1024;

/** With pids of its own, and files that it fills `rootfs` with. */
export function wholeContainer({ target, shared, rootfs }: Contained & { readonly rootfs: string }): object {
  const [program = '', ...args] = target;
  fillRoot(rootfs, program);
  return specOf([PROGRAM, ...args], { mounts: [bind(shared, 'rw')], namespaces: ['pid'] });
}

/** With PROGRAM, what it is linked with, and files. */
export function fillRoot(rootfs: string, program: string): void {
  for (const folder of ['proc', 'dev', 'tmp']) mkdirSync(join(rootfs, folder));
  put(program, join(rootfs, PROGRAM));
  for (const library of librariesOf(program)) put(library, join(rootfs, library));
  for (let folder = 0; folder < FOLDERS; folder++) {
    const path = join(rootfs, `srv/${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES_PER_FOLDER; file++)
      writeFileSync(join(path, String(file)), Buffer.alloc(FILE_BYTES, `${folder} ${file} `));
  }
}

// ldd(1): each line has one absolute path.
function librariesOf(program: string): readonly string[] {
  try {
    const text = execFileSync('ldd', [program], { encoding: 'utf8' });
    return [...text.matchAll(/\s(\/\S+) \(0x/g)].map(([, path = '']) => path);
  } catch (cause) {
    const message = 'Cannot fill a root filesystem: ldd does not say what a program is linked with';
    throw new CheckpointError('FEATURE_MISSING', message, { feature: 'ldd' }, { cause });
  }
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(from), to);
}

interface Own {
  readonly mounts: readonly object[];
  readonly namespaces: readonly string[];
}

function specOf(args: readonly string[], { mounts, namespaces }: Own): object {
  return {
    ociVersion: '1.0.2',
    process: { terminal: false, user: { uid: 0, gid: 0 }, args, env: ['PATH=/usr/bin'], cwd: '/' },
    root: { path: 'rootfs', readonly: false },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777', 'size=65536k'] },
      ...mounts,
    ],
    linux: { namespaces: ['mount', 'network', 'ipc', 'uts', ...namespaces].map((type) => ({ type })) },
  };
}

function bind(path: string, access: 'ro' | 'rw'): object {
  return { destination: path, type: 'bind', source: realpathSync(path), options: ['bind', access] };
}
