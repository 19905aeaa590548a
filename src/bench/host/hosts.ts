/**
 * Two hosts on one: the source in a network namespace of its own, the destination in namespaces of network, pids and mounts, a link between
 * them. Where the link only has a rate it is a veth pair with a token bucket on both sides (tc-tbf(8)), and costs the processors nothing; where
 * it has a round trip, too, packets are carried by a program of ours (native/bench/link.c), because not every kernel has netem. Every peer of a
 * benchmark has the same one. What passes is counted by the device.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { LinkShape } from '../model.js';
import type { Tools } from './tools.js';

export interface Hosts extends AsyncDisposable {
  /** The prefix that runs a command in the network of the source. */
  readonly source: readonly string[];
  /** The prefix that runs a command at the destination. */
  readonly destination: readonly string[];
  /** Of the destination, as the source reaches it. */
  readonly address: string;
  /** Bytes that have left the source, and that have come to it. */
  passed(): Promise<number>;
  /** Sends a signal to pids of the destination. */
  signal(pids: readonly number[], signal: string): Promise<void>;
}

const NET = '10.213.7';
const SOURCE_ADDRESS = `${NET}.1`;
const DESTINATION_ADDRESS = `${NET}.2`;
const MTU = '1500';
const run = promisify(execFile);

/** Everything ends with the object, and with this process. */
export async function openHosts(shape: LinkShape, tools: Tools): Promise<Hosts> {
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of children.reverse()) await end(child);
  };
  try {
    const [source, destination] = [await startHost([], children), await startHost(['--pid', '--mount-proc'], children)];
    if (shape.roundTripUs === 0) await join(source, destination, shape);
    else await carry(source, destination, { shape, program: tools.link, children });
    await address(source, SOURCE_ADDRESS);
    await address(destination, DESTINATION_ADDRESS);
    const there = ['nsenter', '-t', String(destination), '-n', '-p', '-m'];
    const here = ['nsenter', '-t', String(source), '-n'];
    return {
      source: here,
      destination: there,
      address: DESTINATION_ADDRESS,
      passed: async () => devicesBytes(await readFile(`/proc/${source}/net/dev`, 'utf8')),
      signal: async (pids, signal) => {
        await run('nsenter', [...there.slice(1), 'kill', `-${signal}`, ...pids.map(String)]);
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (cause) {
    await close();
    if (CheckpointError.is(cause)) throw cause;
    const why = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new CheckpointError(
      'FEATURE_MISSING',
      `Cannot make two hosts with a link between them: ${why}. It needs network namespaces, veth, tc with tbf, and /dev/net/tun`,
      { feature: 'network namespaces' },
      { cause },
    );
  }
}

// The shell is the first process there, and reaps what is left to it; it ends when our end of its input does.
async function startHost(flags: readonly string[], children: ChildProcess[]): Promise<number> {
  const argv = ['--net', ...flags, '--fork', '--kill-child', 'sh', '-c', 'echo ready; cat >/dev/null; :'];
  const child = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  children.push(child);
  await said(child);
  const first = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim();
  if (!/^\d+$/.test(first)) throw new Error('a namespace has no first process');
  return Number(first);
}

async function said({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null) return;
  const [word] = await Promise.race([once(stdout, 'data'), once(stdout, 'end')]);
  if (word === undefined) throw new Error('unshare or the link ended at once');
}

async function join(source: number, destination: number, { bitsPerSecond }: LinkShape): Promise<void> {
  const other = ['peer', 'name', 'eth0', 'netns', String(destination)];
  await run('ip', ['link', 'add', 'eth0', 'netns', String(source), 'type', 'veth', ...other]);
  const bucket = ['tbf', 'rate', `${bitsPerSecond}bit`, 'burst', '1mb', 'latency', `${QUEUE_US}us`];
  for (const host of [source, destination]) await inside(host, 'tc', 'qdisc', 'add', 'dev', 'eth0', 'root', ...bucket);
}

/** What a switch holds back before it drops: as much as it sends in so long. */
const QUEUE_US = 20_000;

interface Carrying {
  readonly shape: LinkShape;
  readonly program: string;
  readonly children: ChildProcess[];
}

async function carry(source: number, destination: number, { shape, program, children }: Carrying): Promise<void> {
  const figures = [shape.bitsPerSecond, Math.round(shape.roundTripUs / 2), QUEUE_US];
  const link = spawn(program, [source, destination, ...figures].map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(link);
  await said(link);
}

async function address(host: number, own: string): Promise<void> {
  await inside(host, 'ip', 'address', 'add', `${own}/24`, 'dev', 'eth0');
  await inside(host, 'ip', 'link', 'set', 'eth0', 'up', 'mtu', MTU);
  // CRIU looks around by connecting to itself.
  await inside(host, 'ip', 'link', 'set', 'lo', 'up');
}

async function inside(host: number, ...command: readonly string[]): Promise<void> {
  await run('nsenter', ['-t', String(host), '-n', ...command]);
}

// proc_net_dev: sixteen numbers behind each name, the first of them what was received, the ninth what was sent.
function devicesBytes(text: string): number {
  const numbers = /^\s*eth0:(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  return (numbers[0] ?? 0) + (numbers[8] ?? 0);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
