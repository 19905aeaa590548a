/**
 * Who makes one archive of a tree: CRIU and then a tar, as scripts and Podman do it, and Frazil in one pass. All of them compress, if the
 * scenario does, at the same level with the same number of threads.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE_ROOT } from '../host/tools.js';
import type { Scenario } from '../model.js';
import { builtAt, readOwnFigures } from './frazil.js';
import type { DumpJob, DumpPeer, Presence } from './peer.js';

const LEVEL = 3;
const THREADS = availableParallelism();

/** Where every peer leaves its archive. */
export function archiveIn({ imagesDir, scenario }: Pick<DumpJob, 'imagesDir' | 'scenario'>): string {
  return join(imagesDir, isCompressed(scenario) ? 'x.tar.zst' : 'x.tar');
}

export function isCompressed({ stages }: Scenario): boolean {
  return stages.includes('zstd');
}

/** criu dump, then `pack`, a shell command that makes "$1" of the folder checkpoint in "$2". */
function criuThen(pack: (scenario: Scenario) => string): DumpPeer['command'] {
  return (job) => {
    const { host, pid, imagesDir, workDir, scenario } = job;
    const dump = '"$3" dump -t "$4" -D "$2/checkpoint" -W "$5" -o dump.log';
    const running = scenario.leaveRunning ? ' --leave-running' : '';
    const script = `set -e; mkdir "$2/checkpoint"; ${dump}${running}; ${pack(scenario)}`;
    return ['sh', '-c', script, 'sh', archiveIn(job), imagesDir, host.criuPath, String(pid), workDir];
  };
}

/** The baseline: CRIU writes its images, GNU tar reads them and writes the archive. */
export const CRIU_TAR: DumpPeer = {
  name: 'criu+tar',
  title: 'criu dump, then GNU tar',
  group: 'archive',
  detect: () => versionOf('tar'),
  command: criuThen((scenario) => {
    const compress = isCompressed(scenario) ? `-I "zstd -${LEVEL} -T${THREADS}" ` : '';
    return `tar ${compress}-cf "$1" -C "$2" checkpoint`;
  }),
};

const NODE_TAR = join(PACKAGE_ROOT, 'dist/bench/drivers/node-tar.js');

/** The same with the package `tar`; where the scenario compresses, over a pipe to the program zstd. */
export const CRIU_NODE_TAR: DumpPeer = {
  name: 'criu+node-tar',
  title: 'criu dump, then the npm package tar',
  group: 'archive',
  detect: () => builtAt(PACKAGE_ROOT, NODE_TAR),
  command: criuThen((scenario) => {
    const pack = `"${process.execPath}" "${NODE_TAR}" "$2" checkpoint`;
    return isCompressed(scenario) ? `${pack} | zstd -q -${LEVEL} -T${THREADS} -o "$1"` : `${pack} > "$1"`;
  }),
};

const MAIN = join(PACKAGE_ROOT, 'dist/cli/main.js');

export const FRAZIL_CHECKPOINT: DumpPeer = {
  name: 'frazil-checkpoint',
  title: 'frazil checkpoint (command line)',
  group: 'archive',
  detect: () => builtAt(PACKAGE_ROOT, MAIN),
  command: (job) => [
    ...[process.execPath, MAIN, 'checkpoint', '-t', String(job.pid), '-o', archiveIn(job), '-W', job.workDir, '--json'],
    ...(isCompressed(job.scenario) ? ['--level', String(LEVEL), '--threads', String(THREADS)] : []),
    ...(job.scenario.leaveRunning ? ['--leave-running'] : []),
  ],
  read: readOwnFigures,
};

/** Straight into the file although the tree runs on: one copy, a longer freeze. */
export const FRAZIL_CHECKPOINT_DIRECT: DumpPeer = {
  ...FRAZIL_CHECKPOINT,
  name: 'frazil-checkpoint-direct',
  title: 'frazil checkpoint --absorb=never',
  command: (job) => [...FRAZIL_CHECKPOINT.command(job), '--absorb=never'],
};

/** Of a GNU program. */
export async function versionOf(program: string): Promise<Presence> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version']);
    return { kind: 'present', version: stdout.split('\n')[0] ?? '' };
  } catch {
    return { kind: 'absent', reason: `the program "${program}" is not in PATH` };
  }
}
