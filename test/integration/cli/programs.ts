// The two programs that must behave alike, run as a script runs them, and what they leave behind.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CRIU_42 } from '../../helpers/criu-cli.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const MAIN = join(ROOT, 'dist/cli/main.js');

export const PROGRAMS = {
  criu: [CRIU_42.path],
  frazil: [process.execPath, MAIN],
} as const satisfies Record<string, readonly string[]>;
export type ProgramName = keyof typeof PROGRAMS;

export interface Ran {
  /** 128 plus the signal's number when one ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  /** What it has written to stderr so far. */
  said(): string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

const SIGNALED = 128;

/** Compiles the command line into dist/; what is up to date costs a second. */
export async function buildCli(): Promise<void> {
  const compile = start(
    [process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    [],
    { cwd: ROOT },
  );
  // Errors in a part that somebody is working on stop a check, not this: tsc writes the output all the same.
  await compile.ended;
}

export function startProgram(name: ProgramName, argv: readonly string[], options: RunOptions = {}): Running {
  return start(PROGRAMS[name], argv, options);
}

export async function runProgram(name: ProgramName, argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return startProgram(name, argv, options).ended;
}

function start(
  [file = '', ...first]: readonly string[],
  argv: readonly string[],
  { cwd, env, input }: RunOptions,
): Running {
  const child = spawn(file, [...first, ...argv], {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    // Nothing of the machine's own configuration.
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', FRAZIL_CRIU: CRIU_42.path, ...env },
  });
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  }
  // A program that ends without reading is not a mistake.
  child.stdin?.on('error', () => {}).end(input);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      // Not "close": a tree that was restored holds our pipes as long as it lives.
      const status = code ?? SIGNALED + (signal === null ? 0 : signalNumber(signal));
      setImmediate(() => resolve({ status, ...text }));
    });
  });
  return { child, ended, said: () => text.stderr };
}

const NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function signalNumber(signal: NodeJS.Signals): number {
  return NUMBERS[signal] ?? 0;
}

/** Names and modes below `folder`, with `pid` written as PID, threads as TID. Images have a mode of their own in Frazil (ADR 0005): names only. */
export function filesIn(folder: string, pid: number): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { mode } = statSync(join(folder, name));
      const shown = name.replaceAll(String(pid), 'PID').replace(/core-\d+/, 'core-TID');
      return name.endsWith('.img') ? shown : `${shown} ${(mode & 0o7777).toString(8)}`;
    })
    .sort();
}
