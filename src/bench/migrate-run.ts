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
import type { MigrateJob, MigratePeer } from './peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

const PLAIN_LINK: LinkShape = { bitsPerSecond: 1e9, roundTripUs: 0 };

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
  const asked: MigrateJob = { ...job, hosts, pid: target.pid, imagesDir, copyDir, workDir: folders.control };
  // From here on it counts for how long it does not run.
  await target.ask(signal);
  job.enter('measuring');
  const moved = await move(peer, asked, signal);
  target.moved(hosts.signal);
  job.enter('verifying');
  const answers = await target.ask(signal);
  verifyAnswers(target.arenas, answers, `after ${peer.title}`);
  const { awayUs } = target;
  if (awayUs === undefined) throw new RunFailure(`the tree that ${peer.name} moved never said that it runs`);
  const pages = target.arenas.reduce((sum, arena) => sum + arena.pages, 0);
  return {
    figures: { downtime: awayUs, ...moved, ...errorOf(moved, awayUs) },
    verified: { kind: 'images', pages, digests: answers.map(({ digest }) => digest), restored: true },
  };
}

function errorOf({ predicted }: Figures, awayUs: number): Figures {
  return predicted === undefined ? {} : { predictionError: Math.abs(predicted / awayUs - 1) };
}

async function move(peer: MigratePeer, job: MigrateJob, signal: AbortSignal | undefined): Promise<Figures> {
  const { hosts, workDir, tools, host } = job;
  const argv = peer.receiver?.(job);
  await using receiver = argv === undefined ? undefined : await startReceiver({ ...job, argv, criu: host.criuPath });
  const before = await hosts.passed();
  const { argv: command, env } = peer.command(job, receiver?.greeting ?? '');
  const cost = await meter({
    run: tools.run,
    command: [...hosts.source, ...command],
    env: { ...env, FRAZIL_CRIU: host.criuPath },
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
