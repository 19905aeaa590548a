// One copy of a checkpoint: a pid namespace with CRIU in it (native/cell/main.cc), and what is restored there.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { type ExitStatus, pidfdOpen, sendSignal } from '../../addon/children.js';
import type { Fd } from '../../addon/fd.js';
import { ADDON } from '../../addon/load.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { writeConfigFile } from '../../rpc/config-file.js';
import type { Answer } from '../../rpc/session.js';
import { openSwrk } from '../../rpc/swrk.js';
import { keepingAlive } from '../keeping-alive.js';
import type { RestorePlan } from '../restore-plan.js';
import { isGone, openRoot, type Tree } from '../tree.js';

export interface CopyRequest {
  readonly plan: RestorePlan;
  readonly criu: string;
  readonly images: Fd;
  /** CRIU's, shared with the other copies. */
  readonly workDir: Fd;
  /** In there, this copy's alone. */
  readonly logFile: string;
  readonly signal: AbortSignal;
}

export type StartedCopy =
  | { readonly kind: 'runs'; readonly tree: Tree }
  | {
      readonly kind: 'failed';
      readonly answer: Exclude<Answer<'RESTORE'>, { kind: 'served' }>;
      readonly stderr: string;
    };

// Numbers in pid 1 of the namespace, in whose table CRIU looks for them.
const IMAGES_AT = 16;
const WORK_DIR_AT = 17;

// What was aborted is killed with its namespace.
const GRACE_MS = 0;

/** Rejects with ADDON_MISSING, CRIU_MISSING or ABORTED; nothing of the copy is left then, nor when it failed. */
export async function startCopy({ plan, criu, images, workDir, logFile, signal }: CopyRequest): Promise<StartedCopy> {
  const encoded = plan.encode({ images_dir_fd: IMAGES_AT, work_dir_fd: WORK_DIR_AT });
  await using config = await writeConfigFile(encoded);
  await using session = openSwrk({
    criu,
    cell: cellProgram(),
    inherit: [
      { fd: images, as: IMAGES_AT },
      { fd: workDir, as: WORK_DIR_AT },
    ],
    defaultConfig: encoded.defaultConfig,
  });
  const file = config.path === undefined ? {} : { config_file: config.path };
  const opts = { ...encoded.opts, ...file, rst_sibling: true, log_file: logFile };
  const answer = await session.exchange({ kind: 'RESTORE', opts }, { signal, graceMs: GRACE_MS });
  if (answer.kind !== 'served') return { kind: 'failed', answer, stderr: session.stderr() };
  const cell = pidfdOpen(session.pid);
  const pid = await rootIn(session.pid, answer.pid);
  return { kind: 'runs', tree: treeIn({ cell, pid, ended: session.handOver() }) };
}

/** Its path. Throws ADDON_MISSING. */
function cellProgram(): string {
  const path = join(dirname(ADDON), 'frazil-cell');
  if (existsSync(path)) return path;
  const message = `Cannot restore copies: the program "${path}" is missing. Run "npm run build:native", or "npm rebuild frazil" where it is a dependency`;
  throw new CheckpointError('ADDON_MISSING', message, { tried: [path] });
}

/** The pid here of the task that has `inside` in the namespace of `cell`. One that has ended already has the cell's. */
async function rootIn(cell: number, inside: number): Promise<number> {
  for (const init of await childrenOf(cell)) {
    for (const pid of await childrenOf(init)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const [, numbers = ''] = /^NSpid:\s*(.*)$/m.exec(status) ?? [];
      if (numbers.split(/\s+/)[1] === String(inside)) return pid;
    }
  }
  return cell;
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

interface Inhabited {
  /** A pidfd. */
  readonly cell: Fd;
  readonly pid: number;
  readonly ended: Promise<ExitStatus | undefined>;
}

function treeIn({ cell, pid, ended }: Inhabited): Tree {
  const root = openRoot(pid);
  const close = (): void => {
    cell.close();
    root?.close();
  };
  ended.finally(close).catch(() => {});
  let exited: Promise<ExitStatus | undefined> | undefined;
  return {
    pid,
    get exited() {
      exited ??= keepingAlive(ended);
      return exited;
    },
    kill: async (signal = 'SIGKILL') => {
      const whole = signal === 'SIGKILL';
      const to = whole ? cell : root;
      if (to === undefined || to.closed) return;
      try {
        // A cell that is asked to end kills all of its namespace, and ends as if it had been killed itself.
        sendSignal(to, constants.signals[whole ? 'SIGTERM' : signal]);
      } catch (error) {
        if (!isGone(error)) throw error;
      }
    },
  };
}
