// Our page server for lazy restores elsewhere: `criu lazy-pages --page-server`, and ours. What `criu page-server --lazy-pages` is, without reading all
// of the pages first.

import { createServer, type Server, type Socket } from 'node:net';
import { feedPages } from '../../addon/page-feeder.js';
import { takeConnection } from '../../addon/socket-fd.js';
import type { Archive } from '../../archive/archive.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import { type Operation, operation, type Work } from '../operation.js';
import type { ImagesDirectory } from '../target.js';
import { feedFailed } from './feed-failed.js';
import { nameOfPeer } from './peer.js';
import type { Served } from './served.js';

export interface ServePagesCall {
  /** Of this machine. Whoever reaches it can read all memory: nobody is asked who they are, and all is plaintext. */
  readonly address: string;
  /** Default: the kernel chooses. */
  readonly port?: number;
  /**
   * A directory that does not exist yet: gets what a restore elsewhere needs beside the pages that are served. The small images, and pages files
   * with holes, in which only what may not come lazily is there. Not of an archive.
   */
  readonly small?: string;
  readonly signal?: AbortSignal;
}

export interface ServingProgress {
  readonly phase: 'serving';
  readonly bytes: number;
  readonly elapsedMs: number;
}

export interface ServingReport {
  readonly requests: number;
  readonly bytes: number;
  /** From the connection to its end. */
  readonly wallMs: number;
}

/**
 * Serves one connection, to its end. `done` rejects with IO when the peer hangs up before it has said that it has what it needs, PROTOCOL when
 * it asks for what cannot be, IMAGES_CORRUPT when pages cannot be read, ABORTED. The images must stay as they are meanwhile.
 */
export interface PagesServer extends Operation<ServingProgress, ServingReport> {
  readonly port: number;
}

const PERIOD_MS = 100;

/** Resolves when it listens. Throws IMAGES_CORRUPT, IO, ADDON_MISSING, or of an archive what a restore throws. */
export async function servePages(
  source: ImagesDirectory | Archive,
  { address, port = 0, small, signal }: ServePagesCall,
): Promise<PagesServer> {
  if (small !== undefined && source.kind === 'archive')
    throw new RangeError('Cannot write the small images of an archive: extract it, and serve the images directory');
  await using opened = new Held();
  const { stageServed } = await import('./served.js');
  const served = await stageServed(source, { small, signal: signal ?? new AbortController().signal });
  opened.defer(async () => served[Symbol.asyncDispose]());
  const images = opened.use(await openDirectory(served.imagesDir));
  const listener = await listen(address, port);
  const held = opened.move();
  const run = operation<ServingProgress, ServingReport>(signal, async (work) => {
    try {
      const socket = await connection(listener.server, work.signal);
      return await feed({ socket, images, served }, work);
    } finally {
      listener.server.close();
      await held[Symbol.asyncDispose]();
    }
  });
  return Object.assign(run, { port: listener.port });
}

interface Listening {
  readonly server: Server;
  readonly port: number;
}

async function listen(host: string, port: number): Promise<Listening> {
  // Nothing of what the peer says may be read by Node.
  const server = createServer({ pauseOnConnect: true });
  try {
    await new Promise<void>((ready, reject) => {
      server.once('error', reject).listen({ host, port }, ready);
    });
  } catch (cause) {
    const { code: errno = 'unknown' } = cause as NodeJS.ErrnoException;
    const path = nameOfPeer({ address: host, port });
    const message = `Cannot listen on ${path}: ${errno}. Choose another address or port`;
    throw new CheckpointError('IO', message, { syscall: 'listen', errno, path }, { cause });
  }
  const bound = server.address();
  return { server, port: typeof bound === 'object' && bound !== null ? bound.port : port };
}

/** The first; the server listens no more then. */
async function connection(server: Server, signal: AbortSignal): Promise<Socket> {
  return new Promise<Socket>((found, reject) => {
    const abort = (): void =>
      reject(new CheckpointError('ABORTED', 'Cannot serve pages: the caller aborted it', {}, { cause: signal.reason }));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    server.once('connection', (socket) => {
      signal.removeEventListener('abort', abort);
      server.close();
      found(socket);
    });
  });
}

interface Feeding {
  readonly socket: Socket;
  readonly images: Awaited<ReturnType<typeof openDirectory>>;
  readonly served: Served;
}

async function feed({ socket, images, served }: Feeding, work: Work<ServingProgress>): Promise<ServingReport> {
  const begun = performance.now();
  const elapsed = (): number => performance.now() - begun;
  const job = feedPages({ socket: takeConnection(socket), images, ...served.pages }, { signal: work.signal });
  const timer = setInterval(() => {
    work.emit({ phase: 'serving', bytes: job.snapshot().bytes, elapsedMs: elapsed() });
  }, PERIOD_MS);
  try {
    const failure = await job.done;
    if (failure !== undefined) throw feedFailed(failure, served.named);
    return { ...job.snapshot(), wallMs: elapsed() };
  } finally {
    clearInterval(timer);
  }
}
