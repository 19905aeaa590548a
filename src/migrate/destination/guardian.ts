// The program that takes over when a receiver is killed (docs/adr/0010): the source of a copy that was held or let go may be waiting,
// with its tree stopped, and somebody must say what became of the copy. Started before the first page, it holds the listening socket
// and the folder of images, and hears of each copy before its source does. Whoever kills this program, too, leaves the source waiting.
//
// It decides nothing. CRIU, whose client is gone, has removed a copy that had not been let go, and has let run one that had: which of
// them it was is read off from what CRIU has left.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { pidfdOpen, sendSignal, waitExit } from '../../addon/children.js';
import type { Fd } from '../../addon/fd.js';
import { killTree } from '../../criu/tree.js';
import { type DestinationLink, takeOverListening } from '../wire/listen.js';
import type { ToSource } from '../wire/messages.js';
import type { DoorKeys } from '../wire/tls-destination.js';
import { type Charge, OUTCOME, RESTORE_LOG, SOCKET_FD, type Told } from './guarded.js';

interface Case {
  readonly charge: Charge;
  /** It has all of its pages, and may live without us. */
  filled: boolean;
  /** Absent when it had ended already. */
  readonly criu: Fd | undefined;
}

/** What became of each copy. */
type Ends = ReadonlyMap<string, Promise<ToSource>>;

const [, , folder = '', socketPath = ''] = process.argv;
const SIGKILL = 9;
/** A CRIU that has lost its client ends by itself; one that hangs is ended. */
const CRIU_ENDS_MS = 30_000;
/** How long a source is waited for. */
const LINGER_MS = 300_000;

// A CRIU of whose copy we were never told may still write its log there: ENOTEMPTY. It ends when it notices that its client is gone.
const REMOVING = { recursive: true, force: true, maxRetries: 20, retryDelay: 50 } as const;

async function main(): Promise<void> {
  const cases = new Map<string, Case>();
  for await (const line of createInterface({ input: process.stdin })) {
    const told = JSON.parse(line) as Told;
    if (told.kind === 'bye') return;
    if (told.kind === 'settled') cases.delete(told.id);
    if (told.kind === 'filled') markFilled(cases.get(told.id));
    if (told.kind === 'charge') cases.set(told.charge.id, caseOf(told.charge));
  }
  const ends = new Map([...cases].map(([id, each]) => [id, endOf(each)]));
  // A copy that is on its way out may read its images.
  const removed = Promise.all(ends.values()).then(() => rm(folder, REMOVING));
  if (ends.size > 0) await answerFor(ends, [...cases.values()].at(-1)?.charge.door);
  await removed;
  if (socketPath !== '') await rm(socketPath, { force: true });
}

function caseOf(charge: Charge): Case {
  return { charge, filled: !charge.lacking, criu: handleOf(charge.criu) };
}

function markFilled(one: Case | undefined): void {
  if (one !== undefined) one.filled = true;
}

/** Returns when every source knows, or has not asked for long enough. */
async function answerFor(ends: Ends, door: DoorKeys | undefined): Promise<void> {
  const open = new Set(ends.keys());
  await new Promise<void>((told) => {
    const answer = async (link: DestinationLink): Promise<void> => {
      const id = await answerOne(link, ends);
      if (id !== undefined) open.delete(id);
      if (open.size === 0) told();
    };
    takeOverListening(SOCKET_FD, door, (link) => void answer(link).catch(() => link.channel.destroy()));
    setTimeout(told, LINGER_MS);
  });
}

/** The migration whose source has been told. */
async function answerOne({ channel }: DestinationLink, ends: Ends): Promise<string | undefined> {
  const first = await channel.receive();
  const id = first?.message.type === 'ask' ? first.message.id : undefined;
  const end = id === undefined ? undefined : ends.get(id);
  if (end === undefined) {
    const known = { type: 'gone', code: 'IO', message: 'the receiver was killed. Start it again' } as const;
    await channel.send(id === undefined ? known : { type: 'unknown' });
    await channel.close();
    return undefined;
  }
  await channel.send(await end);
  const heard = await channel.receive();
  await channel.close();
  // Else it asks again.
  return heard?.message.type === 'done' ? id : undefined;
}

async function endOf({ charge, filled, criu }: Case): Promise<ToSource> {
  if (criu !== undefined) await ended(criu);
  // What fills a copy ends with the receiver, and kills it first; whether it was done then is not known here.
  if (filled && (await wasResumed(charge))) return { type: 'running', pid: charge.root, resumeMs: 0, whole: true };
  await killTree(charge.root);
  return { type: 'gone', code: undefined, message: 'the receiver was killed before it let the copy run' };
}

// What CRIU 4.1 and 4.2 write right after they have let the tasks go. Their statistics they write after a failure, too.
const RESUMED = 'Restore finished successfully. Tasks resumed.';

async function wasResumed({ workDir }: Charge): Promise<boolean> {
  const outcome = await readFile(join(workDir, OUTCOME), 'utf8').catch(() => undefined);
  if (outcome !== undefined) return outcome === 'running';
  const log = await readFile(join(workDir, RESTORE_LOG), 'utf8').catch(() => '');
  return log.includes(RESUMED);
}

async function ended(criu: Fd): Promise<void> {
  const end = waitExit(criu).done;
  const late = delay(CRIU_ENDS_MS, 'late', { ref: false });
  if ((await Promise.race([end, late])) !== 'late') return;
  sendSignal(criu, SIGKILL);
  await end;
}

function handleOf(pid: number): Fd | undefined {
  try {
    return pidfdOpen(pid);
  } catch {
    // ESRCH: it has ended, which is what would be waited for.
    return undefined;
  }
}

await main();
// What lingers are only connections, and timers of no use.
process.exit();
