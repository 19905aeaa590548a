// Our page server for lazy restores elsewhere: `criu lazy-pages --page-server`, and ours. What `criu page-server --lazy-pages` is, without reading all
// of the pages first.

import { createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { feedPages } from '../../addon/page-feeder.js';
import { takeConnection } from '../../addon/socket-fd.js';
import type { Archive } from '../../archive/archive.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import type { LazyPagesIn } from '../../images/lazy-pages-in.js';
import { holdsCheckpoint, openDirectory } from '../../images/staging.js';
import { type Operation, operation, type Work } from '../operation.js';
import type { ImagesDirectory } from '../target.js';
import { feedFailed } from './feed-failed.js';
import { nameOfPeer } from './peer.js';

export interface ServePagesCall {
  /** Of this machine. Whoever reaches it can read all memory: nobody is asked who they are, and all is plaintext. */
  readonly address: string;
  /** Default: the kernel chooses. */
  readonly port?: number;
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

interface Served extends AsyncDisposable {
  readonly imagesDir: string;
  /** For messages. */
  readonly named: string;
  readonly pages?: LazyPagesIn;
}

const PERIOD_MS = 100;

/** Resolves when it listens. Throws IMAGES_CORRUPT, IO, ADDON_MISSING, or of an archive what a restore throws. */
export async function servePages(
  source: ImagesDirectory | Archive,
  { address, port = 0, signal }: ServePagesCall,
): Promise<PagesServer> {
  await using opened = new Held();
  const served = await stage(source, signal ?? new AbortController().signal);
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

async function stage(source: ImagesDirectory | Archive, signal: AbortSignal): Promise<Served> {
  if (source.kind === 'archive') return stageArchive(source, signal);
  const imagesDir = resolve(source.path);
  if (await holdsCheckpoint(imagesDir)) return { imagesDir, named: imagesDir, async [Symbol.asyncDispose]() {} };
  const message = `Cannot serve pages from "${imagesDir}": it holds no whole checkpoint (inventory.img is missing)`;
  throw new CheckpointError('IMAGES_CORRUPT', message, { imagesDir });
}

async function stageArchive(archive: Archive, signal: AbortSignal): Promise<Served> {
  const { stageLazily } = await import('../../archive/read/stage-lazily.js');
  const lazily = await stageLazily(archive, signal);
  if (lazily !== undefined) return { ...lazily, named: archive.name };
  const { stageImages } = await import('../../archive/read/stage.js');
  return { ...(await stageImages(archive, { signal, report: () => {} })), named: archive.name };
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
