/**
 * Who brings a tree back. All are measured to the same two moments: when a thread of the tree ran, as it says itself, and when the command
 * ended, which all do when the last page is there.
 */
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../host/tools.js';
import type { Figures } from '../model.js';
import { builtAt } from './frazil.js';
import type { DumpJob, RestoreFigures, RestorePeer } from './peer.js';

const EAGER: RestorePeer = {
  name: 'criu',
  title: 'criu restore',
  group: 'restore',
  detect: async ({ host }) => ({ kind: 'present', version: host.criuVersion }),
  command: ({ host, imagesDir, workDir }) => [host.criuPath, 'restore', ...places({ imagesDir, workDir })],
};

// As an administrator would: the daemon, its socket, the restore, and then the end of the daemon.
const LAZY_SCRIPT = `
"$1" lazy-pages -D "$2" -W "$3" -o lazy.log & daemon=$!
until [ -S "$3/lazy-pages.socket" ]; do sleep 0.001; done
"$1" restore -d --lazy-pages -D "$2" -W "$3" -o restore.log || { kill $daemon; exit 1; }
wait $daemon`;

const CRIU_LAZY: RestorePeer = {
  ...EAGER,
  name: 'criu-lazy',
  title: 'criu lazy-pages and criu restore --lazy-pages',
  command: ({ host, imagesDir, workDir }) => ['sh', '-c', LAZY_SCRIPT, 'sh', host.criuPath, imagesDir, workDir],
};

const MAIN = join(PACKAGE_ROOT, 'dist/cli/main.js');

const FRAZIL: RestorePeer = {
  ...EAGER,
  name: 'frazil',
  title: 'frazil restore (command line)',
  detect: () => builtAt(PACKAGE_ROOT, MAIN),
  command: (job) => [process.execPath, MAIN, 'restore', ...places(job), '--json'],
};

const FRAZIL_LAZY: RestorePeer = {
  ...FRAZIL,
  name: 'frazil-lazy',
  title: 'frazil restore --lazy (command line)',
  command: (job) => [...FRAZIL.command(job), '--lazy'],
  read: readFill,
};

const DRIVER = join(PACKAGE_ROOT, 'dist/bench/drivers/library-restore.js');

const FRAZIL_LAZY_LIBRARY: RestorePeer = {
  ...FRAZIL_LAZY,
  name: 'frazil-lazy-library',
  title: 'restore({ lazy: true }) in a Node process that runs',
  detect: () => builtAt(PACKAGE_ROOT, DRIVER),
  command: ({ imagesDir, workDir }) => [process.execPath, DRIVER, JSON.stringify({ imagesDir, workDir })],
};

export const RESTORE_PEERS: readonly RestorePeer[] = [EAGER, CRIU_LAZY, FRAZIL, FRAZIL_LAZY, FRAZIL_LAZY_LIBRARY];

function places({ imagesDir, workDir }: Pick<DumpJob, 'imagesDir' | 'workDir'>): readonly string[] {
  return ['-d', '-D', imagesDir, '-W', workDir, '-o', 'restore.log'];
}

/** The last line of the command or the driver; the latter also says when it called. */
function readFill(stdout: string): RestoreFigures {
  const parsed: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  const fields: Readonly<Record<string, unknown>> = typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  const { faults, beganUs, callUs } = fields;
  const figures: Figures = {
    ...(typeof faults === 'number' ? { faults } : {}),
    ...(typeof callUs === 'number' ? { filled: callUs } : {}),
  };
  return { figures, ...(typeof beganUs === 'number' ? { beganUs } : {}) };
}
