// The program that takes over when a source is killed between its word and the answer (docs/adr/0010): its tree is stopped by the fence,
// and only the destination knows whether it may run on. Started before the freeze, it reads what it needs from its standard input, which
// ends with the source. Whoever kills this program, too, leaves the tree stopped.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { pidfdOpen, sendSignal, waitExit } from '../../addon/children.js';
import { Fd } from '../../addon/fd.js';
import { receive } from '../../addon/sockets.js';
import { switchNetwork } from '../network/switch.js';
import { formatAddress } from '../wire/address.js';
import { connectControl } from '../wire/connect.js';
import { Commit, type CommitOptions, type Outcome } from './commit.js';
import { type Charge, DECIDED, LEFT_FD, parseCharge, SERVING } from './guarded.js';
import { keepImages } from './keep.js';

async function main(): Promise<void> {
  const said = await text(process.stdin);
  const [charge, ...more] = said.split('\n');
  // The source ended before it gave its word, or after it knew.
  if (charge === undefined || charge === '' || more.includes(DECIDED)) return;
  await takeOver(parseCharge(charge), more.includes(SERVING) ? 'serving' : 'committing');
}

async function takeOver(charge: Charge, state: 'committing' | 'serving'): Promise<void> {
  const { id, to, security, pids, patienceMs } = charge;
  // As handles: a task may end, and its pid be another's, before an answer comes.
  const tasks = pids.flatMap(handleOf);
  const log = openLog(pids[0] ?? 0);
  const never = new AbortController().signal;
  const reconnect = async () => (await connectControl({ to, security, signal: never })).channel;
  const options: CommitOptions = {
    id,
    channel: undefined,
    fence: { pids, set: true, raise() {}, lift() {}, kill() {} },
    reconnect,
    signal: never,
    onState: () => {},
    patienceMs,
  };
  if (state === 'serving') return rescue(charge, tasks, { log, commit: new Commit(options, state) });
  log.add(`The source of a migration has ended before it knew whether its tree runs at ${formatAddress(to)}.`);
  log.add(`Until that is known it is stopped here: processes ${pids.join(' ')}.`);
  await conclude(charge, tasks, { log, outcome: await new Commit(options, state).outcome() });
}

interface Concluded {
  readonly log: Log;
  readonly outcome: Outcome;
}

async function conclude(
  { pids, patienceMs, networkSwitch, forget }: Charge,
  tasks: readonly Fd[],
  { log, outcome }: Concluded,
): Promise<void> {
  if (outcome.kind === 'undecided') {
    log.add(
      `Nobody has answered there for ${Math.round(patienceMs / 1000)} seconds: given up. The processes stay stopped.`,
    );
    log.add(
      `Find out whether they run there. If so: kill -KILL ${pids.join(' ')}; if not: kill -CONT ${pids.join(' ')}`,
    );
    return;
  }
  if (outcome.kind !== 'moved') {
    // Before the tree can miss its address.
    await switchNetwork(networkSwitch, 'return').catch((error: unknown) => log.add(String(error)));
    await untilFree(pids);
  }
  const signal = outcome.kind === 'moved' ? constants.signals.SIGKILL : constants.signals.SIGCONT;
  for (const task of tasks) signalTask(task, signal);
  if (outcome.kind === 'moved' && forget !== undefined) {
    await Promise.all(tasks.map((task) => waitExit(task).done));
    await forgotten(forget);
  }
  log.remove();
  if (outcome.kind !== 'moved') return;
  await outcome.channel.send({ type: 'done' });
  await outcome.channel.close();
}

async function forgotten([file = '', ...words]: readonly string[]): Promise<void> {
  const child = spawn(file, words, { stdio: 'ignore' });
  // A runtime that cannot be started leaves a container that is known as stopped, which it is.
  await once(child, 'exit').catch(() => {});
}

interface Rescue {
  readonly log: Log;
  readonly commit: Commit;
}

// The source had told CRIU to kill the tree. Whether CRIU came to it makes no difference: the copy has run.
async function rescue({ rescueTo, to }: Charge, tasks: readonly Fd[], { log, commit }: Rescue): Promise<void> {
  const where = formatAddress(to);
  log.add(`The source of a migration has ended while it gave out the pages of its tree, which runs at ${where}.`);
  for (const task of tasks) signalTask(task, constants.signals.SIGKILL);
  const fill = await commit.filled();
  if (fill.kind === 'broken') {
    log.add(`The copy is lost, or nobody answers for it: ${fill.why}.`);
    log.add(await keep(rescueTo));
  } else log.remove();
  await fill.channel?.send({ type: 'done' });
  void fill.channel?.close();
}

/** What has become of it, as a sentence. */
async function keep(rescueTo: string | undefined): Promise<string> {
  if (rescueTo === undefined) return 'What was left of it was not to be kept.';
  try {
    await keepImages(await entrusted(), rescueTo);
    return `Its state of the last moment here: frazil restore -D ${rescueTo}`;
  } catch (error) {
    return `What was left of it could not be kept in ${rescueTo}: ${String(error)}`;
  }
}

async function entrusted(): Promise<Fd> {
  const message = await receive(Fd.duplicate(LEFT_FD)).done;
  const [images] = message?.fds ?? [];
  if (images === undefined) throw new Error('nothing was entrusted');
  return images;
}

interface Log {
  add(line: string): void;
  /** All is well. */
  remove(): void;
}

// Nobody reads what this program prints. Its place is in docs/migration.md.
function openLog(root: number): Log {
  const path = join(tmpdir(), `frazil-undecided-${root}.log`);
  return {
    add: (line) => appendFileSync(path, `${new Date().toISOString()} ${line}\n`, { mode: 0o600 }),
    remove: () => rmSync(path, { force: true }),
  };
}

// CRIU is still putting the tasks back when its socket to the source has ended, thread by thread. A SIGCONT in the middle of that takes
// the pending SIGSTOP away from some threads only, and the task stays stopped; afterwards it undoes the stop.
async function untilFree(pids: readonly number[]): Promise<void> {
  const end = performance.now() + LETTING_GO_MS;
  while (pids.some(isTraced) && performance.now() < end) await delay(LOOK_AGAIN_MS);
}

// A CRIU that has not let go by then hangs; whoever ends it finds the tasks stopped or running, as the kernel has it.
const LETTING_GO_MS = 30_000;
const LOOK_AGAIN_MS = 10;

/** Whether somebody traces any of its threads. One that has ended is free. */
function isTraced(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some(
      (thread) => !/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
    );
  } catch {
    return false;
  }
}

function handleOf(pid: number): readonly Fd[] {
  try {
    return [pidfdOpen(pid)];
  } catch {
    // It has ended: nothing is to be done about it.
    return [];
  }
}

function signalTask(task: Fd, signal: number): void {
  try {
    sendSignal(task, signal);
  } catch {
    // It has ended meanwhile, which for a kill is what was wanted.
  }
}

await main();
