/** Runtimes as engines call them: runc itself, and Frazil's launcher in its place. */
import { join } from 'node:path';
import { locateRuntime } from '../../runtime/locate.js';
import { PACKAGE_ROOT } from '../host/tools.js';
import { builtAt } from './frazil.js';
import type { ContainerJob, ContainerPeer, Presence } from './peer.js';

const LAUNCHER = join(PACKAGE_ROOT, 'build/Release/frazil-runc');

const RUNC: ContainerPeer = {
  name: 'runc',
  title: 'runc',
  group: 'container',
  detect: presenceOfRunc,
  command: (job) => commandOf(job.runc, job),
};

const FRAZIL_RUNC: ContainerPeer = {
  name: 'frazil-runc',
  title: 'frazil-runc (the launcher, over the same runc)',
  group: 'container',
  detect: async () => {
    const runc = await presenceOfRunc();
    return runc.kind === 'absent' ? runc : builtAt(PACKAGE_ROOT, LAUNCHER);
  },
  command: (job) => commandOf(LAUNCHER, job),
};

export const CONTAINER_PEERS: readonly ContainerPeer[] = [RUNC, FRAZIL_RUNC];

async function presenceOfRunc(): Promise<Presence> {
  try {
    return { kind: 'present', version: await locateRuntime({ name: 'runc', env: process.env }) };
  } catch (error) {
    return { kind: 'absent', reason: error instanceof Error ? error.message : String(error) };
  }
}

// A shell starts both alike; what it costs itself is in both.
const REPEATED = 'n=$1; shift; while [ $n -gt 0 ]; do "$@" >/dev/null || exit 1; n=$((n-1)); done';

function commandOf(program: string, { root, id, imagesDir, workDir, scenario }: ContainerJob): readonly string[] {
  const global = [program, '--root', root];
  const { repeats, leaveRunning } = scenario;
  if (repeats > 1) return ['sh', '-c', REPEATED, 'sh', String(repeats), ...global, 'state', id];
  const later = leaveRunning ? ['--leave-running'] : [];
  return [...global, 'checkpoint', '--image-path', imagesDir, '--work-path', workDir, ...later, id];
}
