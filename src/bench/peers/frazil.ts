/**
 * Frazil as users run it: the built command line, start of Node included; and its library called inside a fresh Node process, which
 * can say what the call alone took and by how much it made its process grow.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { revision } from '../host/environment.js';
import { PACKAGE_ROOT } from '../host/tools.js';
import type { Figures, MetricName } from '../model.js';
import type { DumpJob, DumpPeer, Presence } from './peer.js';

/** The command line of the checkout or package at `root`. */
export function frazilCommand(root: string = PACKAGE_ROOT, name = 'frazil'): DumpPeer {
  const main = join(root, 'dist/cli/main.js');
  return {
    name,
    title: 'frazil dump (command line)',
    group: 'dump',
    detect: () => builtAt(root, main),
    command: ({ pid, imagesDir, workDir, scenario }) => [
      ...[
        process.execPath,
        main,
        'dump',
        '-t',
        String(pid),
        '-D',
        imagesDir,
        '-W',
        workDir,
        '-o',
        'dump.log',
        '--json',
      ],
      ...(scenario.leaveRunning ? ['--leave-running'] : []),
    ],
    read: readOwnFigures,
  };
}

/** The same without absorbing: one copy, straight into the file. The tree is frozen longer, the whole takes less. */
export function frazilDirect(): DumpPeer {
  const command = frazilCommand();
  return {
    ...command,
    name: 'frazil-direct',
    title: 'frazil dump --absorb=never',
    command: (call) => [...command.command(call), '--absorb=never'],
  };
}

const DRIVER = join(PACKAGE_ROOT, 'dist/bench/drivers/library-dump.js');

export const FRAZIL_LIBRARY: DumpPeer = {
  name: 'frazil-library',
  title: 'dump() in a fresh Node process',
  group: 'dump',
  detect: () => builtAt(PACKAGE_ROOT, DRIVER),
  command: (call) => driver(call, {}),
  read: readOwnFigures,
};

/** What is compared of it is the call: its wall has the start of Node and the dump before in it. */
export const FRAZIL_SERVICE: DumpPeer = {
  ...FRAZIL_LIBRARY,
  name: 'frazil-service',
  title: "dump({ absorb: 'never' }) in a Node process that has dumped before",
  command: (call) => driver(call, { absorb: 'never', hasDumped: true }),
};

function driver(
  { pid, imagesDir, workDir, scenario }: DumpJob,
  how: Readonly<Record<string, unknown>>,
): readonly string[] {
  const job = { pid, imagesDir, workDir, leaveRunning: scenario.leaveRunning, ...how };
  return [process.execPath, DRIVER, JSON.stringify(job)];
}

// Fields of the driver's and of `frazil dump --json`'s closing line; the latter counts its call in milliseconds.
const OWN_FIGURES: Readonly<Record<string, readonly [MetricName, number]>> = {
  callUs: ['call', 1],
  wallMs: ['call', 1000],
  growthBytes: ['memoryGrowth', 1],
  userBytes: ['userBytes', 1],
  bytesUser: ['userBytes', 1],
};

/** What Frazil says of itself; a figure that it does not say is absent. */
export function readOwnFigures(stdout: string): Figures {
  const parsed: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  const fields = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : [];
  return Object.fromEntries(
    fields.flatMap(([field, value]) => {
      const known = OWN_FIGURES[field];
      return known !== undefined && typeof value === 'number' ? [[known[0], value * known[1]]] : [];
    }),
  );
}

export async function builtAt(root: string, file: string): Promise<Presence> {
  try {
    await access(file);
    return { kind: 'present', version: (await revision(root)) ?? 'package' };
  } catch {
    return { kind: 'absent', reason: `"${file}" is not there. Run npm run build` };
  }
}
