// Starts frazil-lazy and hears what it says. The service belongs to nobody: it ends by itself when all is filled, or when it has
// killed the tree. docs/design/lazy-restore.md has the processes.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { spawn, waitChild } from '../../addon/children.js';
import { Fd } from '../../addon/fd.js';
import { memfd } from '../../addon/files.js';
import {
  type LazyCounters,
  type LazyMessage,
  lazyProgram,
  parseLazyMessage,
  readLazyCounters,
} from '../../addon/lazy-program.js';
import { receive, send, seqpacketPair } from '../../addon/sockets.js';
import { Held } from '../../images/held.js';
import type { LazyPagesIn } from '../../images/lazy-pages-in.js';
import { keepingAlive } from '../keeping-alive.js';
import { ioFailure, lazyFailed, type PagesOf } from './failed.js';
import { connectPeer } from './peer.js';

export interface LazyService {
  /** Of the guardian, which ends last. */
  readonly pid: number;
  /** How it ended: `filled`, `failed` or `refused`. Does not reject, and keeps nothing alive. */
  readonly verdict: Promise<LazyMessage>;
  counters(): LazyCounters | undefined;
  /** CRIU has made all tasks and holds them: the background may begin. */
  begin(): void;
  /** Asks it to kill the tree and end. */
  abort(): void;
}

export interface ServiceRequest extends PagesOf {
  readonly images: Fd;
  /** Where the pages are, when not in the images directory. */
  readonly pages?: LazyPagesIn | undefined;
  /** Where lazy-pages.socket is made: CRIU's working directory. */
  readonly socketDir: Fd;
  /** Where lazy-pages.log is written: what happens when nobody listens any more. */
  readonly workDir: string;
  /** How many restores it is for. Default: 1. */
  readonly trees?: number | undefined;
  /** Another name for it. */
  readonly logFile?: string;
}

const ABORT = Buffer.from('a');
const HELD = Buffer.from('h');
const MAX_THREADS = 2;
const KIBIBYTE = 1024;
const MAX_KIBPS = 2 ** 31 - 1;

/** Resolves when it listens. Throws IO, ADDON_MISSING, or LAZY_FAILED when it could not start. */
export async function startLazyService(request: ServiceRequest): Promise<LazyService> {
  const [ours, theirs] = seqpacketPair();
  const board = memfd('frazil-lazy');
  let child: ReturnType<typeof spawn>;
  try {
    child = await spawnProgram(request, { control: theirs, board });
  } catch (error) {
    for (const fd of [ours, board]) fd.close();
    throw error;
  }
  const service = attach(child, ours, board);
  const first = await keepingAlive(service.ready);
  if (first.event !== 'ready') throw lazyFailed(first, request);
  return service;
}

interface Shared {
  /** Its end alone: closed here when it has been given away, or the end of the program would not be heard. */
  readonly control: Fd;
  readonly board: Fd;
}

async function spawnProgram(request: ServiceRequest, { control, board }: Shared): Promise<ReturnType<typeof spawn>> {
  await using opened = new Held();
  opened.use(control);
  const file = lazyProgram();
  const files = await openFiles(request, opened);
  const { pageServer } = request.options;
  const peer = pageServer === undefined ? [] : [{ name: 'peer', fd: opened.use(await connectPeer(pageServer)) }];
  const given = [
    { name: 'control', fd: control },
    { name: 'board', fd: board },
    { name: 'work', fd: request.socketDir },
    { name: 'directory', fd: request.images },
    ...Object.entries(request.pages ?? {}).map(([name, fd]: [string, Fd]) => ({ name, fd })),
    ...files,
    ...peer,
  ].map((one, i) => ({ ...one, as: i + FIRST_FD }));
  const argv = [
    'frazil-lazy',
    ...given.map(({ name, as }) => `${name}=${as}`),
    ...Object.entries(numbersOf(request)).map((pair) => pair.join('=')),
  ];
  return spawn({ file, argv, env: [], fds: given.map(({ fd, as }) => ({ fd, as })), newProcessGroup: true, cwd: '/' });
}

function numbersOf(request: ServiceRequest): Readonly<Record<string, number>> {
  const { bytesPerSecond = 0, outlive = true, cacheBytes = defaultCache(request) } = request.options;
  const threads = request.options.threads ?? Math.min(MAX_THREADS, availableParallelism());
  return {
    trees: request.trees ?? 1,
    faulters: threads,
    fillers: threads,
    kibps: Math.min(Math.floor(bytesPerSecond / KIBIBYTE), MAX_KIBPS),
    outlive: outlive ? 1 : 0,
    cachekib: Math.floor(cacheBytes / KIBIBYTE),
  };
}

const FIRST_FD = 3;

const MEBIBYTE = 2 ** 20;

function defaultCache({ trees = 1 }: ServiceRequest): number {
  return (trees > 1 ? 256 : 32) * MEBIBYTE;
}

async function openFiles({ options, workDir, logFile = 'lazy-pages.log' }: ServiceRequest, opened: Held) {
  const create = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const wanted = [
    { name: 'log', path: resolve(workDir, logFile), flags: create },
    ...(options.record === undefined ? [] : [{ name: 'record', path: options.record, flags: create }]),
    ...(options.replay === undefined ? [] : [{ name: 'replay', path: options.replay, flags: constants.O_RDONLY }]),
  ];
  return Promise.all(
    wanted.map(async ({ name, path, flags }) => {
      const handle = await open(path, flags, 0o600).catch(ioFailure(`Cannot open "${path}"`, path));
      try {
        return { name, fd: opened.use(Fd.duplicate(handle.fd)) };
      } finally {
        await handle.close();
      }
    }),
  );
}

interface Started extends LazyService {
  readonly ready: Promise<LazyMessage>;
}

function attach(child: ReturnType<typeof spawn>, control: Fd, board: Fd): Started {
  const ended = waitChild(child.pidfd);
  ended.unref();
  let last: LazyCounters | undefined;
  const next = async (): Promise<LazyMessage> => {
    const job = receive(control);
    job.unref();
    const message = await job.done;
    return message === undefined ? silent(await ended.done) : parseLazyMessage(message.bytes);
  };
  const tell = (word: Buffer): void => {
    if (control.closed) return;
    try {
      send(control, word);
    } catch {
      // It has ended.
    }
  };
  const ready = next();
  const verdict = (async () => {
    let message = await ready;
    while (message.event === 'ready' || message.event === 'restored') message = await next();
    last = readLazyCounters(board);
    await ended.done.catch(() => {});
    for (const fd of [control, board, child.pidfd]) fd.close();
    return message;
  })();
  ready.catch(() => {});
  verdict.catch(() => {});
  return {
    pid: child.pid,
    ready,
    verdict,
    counters: () => last ?? readLazyCounters(board),
    begin: () => tell(HELD),
    abort: () => tell(ABORT),
  };
}

// Both processes were killed before either could speak.
function silent(status: { readonly kind: string; readonly signal?: number; readonly code?: number }): LazyMessage {
  const error = status.kind === 'signaled' ? (status.signal ?? 0) : (status.code ?? 0);
  const op = status.kind === 'signaled' ? 'signal' : 'exit';
  return { event: 'failed', fault: 'guardian-died', error, image: 0, vaddr: 0n, tree: 0, op, level: 0 };
}
