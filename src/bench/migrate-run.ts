/**
 * One run of a migration: two hosts, a fresh tree at the source, one command that moves it, and then the tree at its destination says for how
 * long it did not run, what its memory is, and whether a write was lost: of what it writes in order it must show one moment.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openHosts } from './host/hosts.js';
import { type Cost, meter } from './host/meter.js';
import { type Receiver, startReceiver } from './host/receiver.js';
import { Target } from './host/target.js';
import { verifyAnswers } from './host/verify.js';
import type { Figures, LinkShape } from './model.js';
import type { Invocation, MigrateJob, MigratePeer, Peer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

export const PLAIN_LINK: LinkShape = { bitsPerSecond: 1e9, roundTripUs: 0 };

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runMigrate(peer: MigratePeer, job: RunJob): Promise<RunOutcome> {
  const { scenario, folders, seed, tools, signal } = job;
  job.enter('filling');
  await using hosts = await openHosts(scenario.link ?? PLAIN_LINK, tools);
  const fifo = join(folders.control, 'fifo');
  const launch = (command: readonly string[]): readonly string[] => [...hosts.source, ...command];
  await using target = await Target.start({ program: tools.target, fifo, scenario, seed, signal, launch });
  const [imagesDir, copyDir] = [join(folders.images, 'source'), join(folders.images, 'destination')];
  for (const folder of [imagesDir, copyDir]) await mkdir(folder);
  const asked = { ...job, hosts, pid: target.pid, imagesDir, copyDir, workDir: folders.control };
  // From here on it counts for how long it does not run.
  await target.ask(signal);
  job.enter('measuring');
  const moved = await move(mover(peer, asked), asked, {});
  target.moved(hosts.signal);
  job.enter('verifying');
  return await outcomeOf(peer, target, { moved, signal });
}

export interface Seen {
  readonly moved: Figures;
  readonly signal: AbortSignal | undefined;
}

/** What the tree says at its destination. Throws WrongBytes, or RunFailure when it does not say for how long it was away. */
export async function outcomeOf(
  { name, title }: Pick<Peer, 'name' | 'title'>,
  target: Target,
  { moved, signal }: Seen,
): Promise<RunOutcome> {
  const answers = await target.ask(signal);
  verifyAnswers(target.arenas, answers, `after ${title}`);
  const { awayUs, pages } = target;
  if (awayUs === undefined) throw new RunFailure(`the tree that ${name} moved never said that it runs`);
  return {
    figures: { downtime: awayUs, ...moved, ...errorOf(moved, awayUs) },
    verified: { kind: 'images', pages, digests: answers.map(({ digest }) => digest), restored: true },
  };
}

function errorOf({ predicted }: Figures, awayUs: number): Figures {
  return predicted === undefined ? {} : { predictionError: Math.abs(predicted / awayUs - 1) };
}

/** A peer that knows its job. */
export interface Mover {
  readonly name: string;
  /** What waits at the destination. */
  readonly receiver: readonly string[] | undefined;
  readonly command: (greeting: string) => Invocation;
  readonly read: ((stdout: string) => Figures) | undefined;
}

export function mover<J>(peer: MovingPeer<J>, job: J): Mover {
  const { name, read } = peer;
  return { name, receiver: peer.receiver?.(job), command: (greeting) => peer.command(job, greeting), read };
}

interface MovingPeer<J> {
  readonly name: string;
  receiver?(job: J): readonly string[];
  command(job: J, greeting: string): Invocation;
  read?(stdout: string): Figures;
}

/** Carries it out, with `environment` on either side; throws RunFailure when anything of it has failed. */
export async function move(
  peer: Mover,
  job: MigrateJob & Pick<RunJob, 'signal'>,
  environment: Readonly<Record<string, string>>,
): Promise<Figures> {
  const { hosts, workDir, tools, host, signal } = job;
  const shared = { FRAZIL_CRIU: host.criuPath, ...environment };
  const argv = peer.receiver;
  await using receiver = argv === undefined ? undefined : await startReceiver({ ...job, argv, env: shared });
  const before = await hosts.passed();
  const { argv: command, env } = peer.command(receiver?.greeting ?? '');
  const cost = await meter({
    run: tools.run,
    command: [...hosts.source, ...command],
    env: { ...shared, ...env },
    workDir,
    signal,
  });
  const there = await costThere(receiver, job);
  const here = await readCosts(join(workDir, 'here'));
  const failed = [cost, ...there, ...here].some(({ exit }) => exit !== 0);
  if (failed) throw new RunFailure(`${peer.name} failed`, { log: await lastWords(cost, receiver, job) });
  const destinationCpu = there.reduce((sum, { cpuUs }) => sum + cpuUs, 0);
  // Commands that a script has run at the destination are its descendants.
  const sourceCpu = receiver === undefined ? cost.cpuUs - destinationCpu : cost.cpuUs;
  const wireBytes = (await hosts.passed()) - before;
  return { wall: cost.wallUs, wireBytes, sourceCpu, destinationCpu, ...peer.read?.(cost.stdout) };
}

type Part = Pick<Cost, 'exit' | 'cpuUs'>;

async function costThere(receiver: Receiver | undefined, { workDir }: MigrateJob): Promise<readonly Part[]> {
  return receiver === undefined ? readCosts(join(workDir, 'there')) : [await receiver.ended()];
}

/** One line of the meter for each command; none where nothing was run. */
async function readCosts(path: string): Promise<readonly Part[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const { exit, userUs, systemUs } = JSON.parse(line) as Readonly<Record<string, number>>;
    return { exit: exit ?? -1, cpuUs: (userUs ?? 0) + (systemUs ?? 0) };
  });
}

const LAST_LINES = 12;

async function lastWords(
  cost: Cost,
  receiver: Receiver | undefined,
  { imagesDir, copyDir }: MigrateJob,
): Promise<string> {
  const logs = [0, 1].flatMap((round) => [join(imagesDir, `${round}/dump.log`), join(copyDir, `${round}/restore.log`)]);
  const texts = await Promise.all(logs.map((path) => readFile(path, 'utf8').catch(() => '')));
  const errors = texts.flatMap((text) => text.split('\n').filter((line) => line.includes('Error')));
  const said = [...errors, ...(receiver?.said() ?? '').split('\n'), ...cost.stderr.split('\n')];
  return said
    .filter((line) => line !== '')
    .slice(-LAST_LINES)
    .join('\n');
}
