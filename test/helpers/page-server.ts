// criu's own page server, for one client, on a port that the kernel chose.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { RealCriu } from './criu-cli.js';

export interface PageServer {
  readonly port: string;
  /** Rejects when it did not end well. */
  readonly done: Promise<void>;
}

/** Writes what it receives into `images`. */
export async function startPageServer(
  criu: RealCriu,
  images: string,
  words: readonly string[] = [],
): Promise<PageServer> {
  const common = ['page-server', '-D', images, '-v4', '-o', 'page-server.log', '--address', '127.0.0.1'];
  const server = spawn(criu.path, [...common, '--status-fd', '3', ...words], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const ended = once(server, 'exit');
  await Promise.race([once(server.stdio[3] ?? server, 'data'), ended]);
  const port = readFileSync(join(images, 'page-server.log'), 'utf8').match(/Using (\d+) port/)?.[1] ?? '';
  const done = ended.then(([status]) => {
    if (status !== 0) throw new Error(`criu page-server ended with ${status}, see ${images}/page-server.log`);
  });
  // Whoever waits hears of it.
  done.catch(() => {});
  return { port, done };
}

/** A port of loopback that was free a moment ago, for a server that cannot say which it took. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
