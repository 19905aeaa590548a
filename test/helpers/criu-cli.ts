// The real CRIU, by its command line, and the CRIUs that the tests are run with.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { impossible, type Need, need } from './needs.js';
import { home } from './prefix.js';

export interface RealCriu {
  readonly name: '4.2' | '4.1';
  readonly path: string;
  /** Missing when it is not installed. */
  readonly here: Need;
  /** Missing when it cannot dump a task that owns an inet socket. */
  readonly inet: Need;
}

/** The matrix: testing's CRIU, and stable's. Both are tested; what one cannot do on this kernel is a need that is missing. */
export const CRIU_42 = real('4.2', 'criu');
export const CRIU_41 = real('4.1', 'criu-stable');
export const CRIUS: readonly RealCriu[] = [CRIU_42, CRIU_41];
export const CRIT = join(home, 'crit/bin/crit');
export const NFT = join(home, 'criu/usr/sbin/nft');

function real(name: RealCriu['name'], prefix: string): RealCriu {
  const path = join(home, prefix, 'usr/sbin/criu');
  const here = need(`criu ${name} in the private prefix`, !existsSync(path) && `no ${path}; run scripts/setup`);
  const inet = here.missing === undefined ? impossible('a criu that dumps inet sockets', inetTrouble(name)) : here;
  return { name, path, here, inet };
}

// Since 6.16 the kernel answers getsockopt(SO_PASSCRED) on inet sockets with EOPNOTSUPP; CRIU before 4.2 gives up then.
function inetTrouble(name: RealCriu['name']): string | undefined {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const refusing = major > 6 || (major === 6 && minor >= 16);
  return name === '4.1' && refusing ? `4.1 cannot on kernel ${release()}` : undefined;
}

export interface CriuOutcome {
  readonly status: number;
  readonly stderr: string;
  /** The log's lines at error level, but for the one that is always there without CAP_SYS_RESOURCE. */
  readonly errors: string[];
}

/** Runs criu with a log in `images`; never throws for what CRIU answers. */
export async function tryCriu(
  criu: RealCriu,
  verb: string,
  images: string,
  args: readonly string[],
): Promise<CriuOutcome> {
  const log = `${verb}.log`;
  const words = [verb, '-D', images, '-v4', '-o', log, '--network-lock', 'nftables', ...args];
  return new Promise((resolve) => {
    execFile(criu.path, words, { maxBuffer: 1 << 26 }, (failure, _stdout, stderr) => {
      const status = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : 128;
      resolve({ status, stderr, errors: errorsIn(join(images, log)) });
    });
  });
}

/** The same, but a refusal is an error that says what CRIU said. */
export async function runCriu(criu: RealCriu, verb: string, images: string, args: readonly string[]): Promise<void> {
  const { status, errors, stderr } = await tryCriu(criu, verb, images, args);
  if (status !== 0) throw new Error(`criu ${verb} ${criu.name} ended with ${status}:\n${errors.join('\n')}\n${stderr}`);
}

function errorsIn(log: string): string[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n');
  return lines.filter((line) => line.includes('Error (') && !line.includes("Can't setup RLIMIT_NOFILE"));
}
