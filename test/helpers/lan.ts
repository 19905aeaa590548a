// A network between hosts of this machine: a bridge in our own namespace, and a device eth0 in the namespace of each process that is
// attached.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { need } from './needs.js';
import { until } from './until.js';

export interface Lan extends AsyncDisposable {
  /** An address of the network, with the length of its prefix; 1 is ours. */
  address(number: number): string;
  /** Gives the namespace of `pid` a device eth0 with an address. */
  attach(pid: number, address: string): void;
  /** Lets what leaves eth0 of `pid` pass at this rate (tc-tbf(8)). */
  slow(pid: number, megabitsPerSecond: number): void;
}

export const BRIDGES = need('network bridges', hasBridges() ? undefined : 'ip link add type bridge fails here');

let made = 0;

export function startLan(): Lan {
  made += 1;
  const tag = `${(process.pid % 0xffff).toString(16)}${made}`;
  const bridge = `fzb${tag}`;
  const net = `10.${100 + (process.pid % 100)}.${made}`;
  const address = (number: number): string => `${net}.${number}/24`;
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('address', 'add', address(1), 'dev', bridge);
  ip('link', 'set', bridge, 'up');
  let attached = 0;
  return {
    address,
    attach(pid, theirs) {
      attached += 1;
      const ours = `fzv${tag}${attached}`;
      ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
      ip('link', 'set', ours, 'master', bridge, 'up');
      const inside = ['-t', String(pid), '-n', 'ip'];
      execFileSync('nsenter', [...inside, 'link', 'set', 'lo', 'up']);
      execFileSync('nsenter', [...inside, 'address', 'add', theirs, 'dev', 'eth0']);
      execFileSync('nsenter', [...inside, 'link', 'set', 'eth0', 'up']);
    },
    slow: (pid, rate) => {
      const bucket = ['tbf', 'rate', `${rate}mbit`, 'burst', '128kb', 'latency', '50ms'];
      execFileSync('nsenter', ['-t', String(pid), '-n', 'tc', 'qdisc', 'add', 'dev', 'eth0', 'root', ...bucket]);
    },
    // The devices go with their namespaces.
    [Symbol.asyncDispose]: async () => ip('link', 'del', bridge),
  };
}

export interface NetworkNamespace extends AsyncDisposable {
  readonly pid: number;
}

/** A namespace that lives as long as its only process. */
export async function startNetworkNamespace(): Promise<NetworkNamespace> {
  const child: ChildProcess = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout?.on('data', (piece) => {
    said += String(piece);
  });
  await until('the namespace is there', () => said.includes('ready'));
  return {
    pid: child.pid ?? -1,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function ip(...words: readonly string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function hasBridges(): boolean {
  const name = `fzt${(process.pid % 0xffff).toString(16)}`;
  try {
    ip('link', 'add', name, 'type', 'bridge');
    ip('link', 'del', name);
    return true;
  } catch {
    return false;
  }
}
