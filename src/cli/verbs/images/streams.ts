// Where image verbs read from and write to: files, or the process's own streams.

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { assertNotAborted } from '../../../errors/aborted.js';
import { CheckpointError } from '../../../errors/checkpoint-error.js';
import type { Terminal } from '../../terminal.js';

// As much as one read() gives at little cost; what is decoded of it is freed at once.
const READ_BYTES = 1 << 20;
/** How CRIU's images are protected here: they hold what the tasks held. */
const MODE = 0o600;

export interface Input {
  /** For messages. */
  readonly path: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** A file, or standard input when there is none or it is "-". Reading throws IO. */
export function openInput(file: string | undefined, signal: AbortSignal): Input {
  if (file === undefined || file === '-')
    return { path: 'standard input', bytes: checked(process.stdin, 'standard input', signal) };
  return { path: file, bytes: checked(createReadStream(file, { highWaterMark: READ_BYTES }), file, signal) };
}

async function* checked(
  stream: AsyncIterable<Uint8Array> & { destroy(error?: Error): unknown },
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const abort = (): void => void stream.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    assertNotAborted(`read "${path}"`, signal);
    yield* stream;
  } catch (cause) {
    assertNotAborted(`read "${path}"`, signal);
    throw io(`Cannot read "${path}"`, path, cause);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

export interface Output extends AsyncDisposable {
  write(piece: string | Uint8Array): Promise<void>;
  /** Where the next piece goes to, for who writes without us; borrowed. Nothing where pieces go to a test. */
  readonly fd: number | undefined;
  /** Puts what was written in its place. A file is as it was until then, and stays so without. */
  commit(): Promise<void>;
}

/** A file, or standard output when there is none or it is "-". Throws IO. */
export async function openOutput(file: string | undefined, terminal: Terminal): Promise<Output> {
  if (file === undefined || file === '-') return toTerminal(terminal);
  const place = await placeOf(file);
  return place === undefined ? throughHandle(file) : besideAndRenamed(place);
}

function toTerminal(terminal: Terminal): Output {
  return {
    write: (piece) => terminal.write(piece),
    fd: terminal.stdoutFd,
    commit: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

interface FilePlace {
  readonly path: string;
  readonly mode: number;
}

/** Undefined for what cannot be replaced: a device, a pipe. Links are followed. */
async function placeOf(file: string): Promise<FilePlace | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return { path: file, mode: MODE };
  return found.isFile() ? { path: await realpath(file), mode: found.mode & 0o777 } : undefined;
}

async function throughHandle(file: string): Promise<Output> {
  const handle = await open(file, 'w').catch(failed(file));
  return {
    write: (piece) => writeAll(handle, piece, file),
    fd: handle.fd,
    commit: async () => {},
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function besideAndRenamed({ path, mode }: FilePlace): Promise<Output> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  const handle = await open(temporary, 'wx', mode).catch(failed(path));
  let committed = false;
  return {
    write: (piece) => writeAll(handle, piece, path),
    fd: handle.fd,
    commit: async () => {
      await rename(temporary, path).catch(failed(path));
      committed = true;
    },
    [Symbol.asyncDispose]: async () => {
      await handle.close();
      // What cannot be removed has a name that nobody reads.
      if (!committed) await rm(temporary, { force: true }).catch(() => {});
    },
  };
}

async function writeAll(handle: FileHandle, piece: string | Uint8Array, path: string): Promise<void> {
  // writeFile() on a handle writes all of it at the handle's position.
  await handle.writeFile(piece).catch(failed(path));
}

function failed(path: string): (cause: unknown) => never {
  return (cause) => {
    throw io(`Cannot write "${path}"`, path, cause);
  };
}

function io(what: string, path: string, cause: unknown): CheckpointError<'IO'> {
  const { code = 'unknown', syscall = 'unknown' } = cause as NodeJS.ErrnoException;
  return new CheckpointError('IO', `${what}: ${code}`, { path, syscall, errno: code }, { cause });
}
