// Where an archive is written to. A file has no name until it is whole (docs/design/archive.md, section 5); a stream has what it has.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Fd } from '../../addon/fd.js';
import { linkFile, renameNew } from '../../addon/files.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface ArchiveOutput extends AsyncDisposable {
  /** As messages name it. */
  readonly path: string;
  readonly form: 'file' | 'stream';
  readonly fd: Fd;
  /** What spills lies there. */
  readonly spillDir: string;
  /** Gives the file its name; rejects with IO, or IMAGES_EXIST, and then nothing has changed. */
  commit(): Promise<void>;
}

export interface FileOptions {
  /** Whether a file of that name may be replaced. */
  readonly replace: boolean;
  /** The name is on the disk, too, when commit() resolves. */
  readonly sync: boolean;
  readonly tmpDir: string;
}

// Node has no name for it; with O_DIRECTORY it is O_TMPFILE (fcntl.h), on every architecture.
const TMPFILE = 0o20000000 | constants.O_DIRECTORY;
// EOPNOTSUPP is called ENOTSUP by Node.
const NO_TMPFILE = new Set(['ENOTSUP', 'EISDIR', 'ENOENT', 'ENOSYS', 'EINVAL']);

/** What is there and no regular file, such as a pipe, gets a stream. Throws IO, or IMAGES_EXIST when it may not be replaced. */
export async function openOutput(given: string, options: FileOptions): Promise<ArchiveOutput> {
  // Of a link, what it leads to.
  const path = await realpath(given).catch(() => resolve(given));
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile() && !there.isDirectory()) return openDevice(path, options.tmpDir);
  if (there?.isDirectory() === true) throw io(`Cannot write the archive "${given}"`, path, { code: 'EISDIR' });
  if (there !== undefined && !options.replace) throw exists(path);
  return openFile(path, options);
}

/** An fd of the caller's, which stays the caller's. Throws IO for a terminal or what cannot be written. */
export async function streamOutput(number: number, path: string, tmpDir: string): Promise<ArchiveOutput> {
  const { isatty } = await import('node:tty');
  if (isatty(number)) throw io('Cannot write an archive to a terminal', path, { code: 'ENOTTY' });
  return stream(Fd.duplicate(number), path, tmpDir);
}

async function openDevice(path: string, tmpDir: string): Promise<ArchiveOutput> {
  const handle = await open(path, constants.O_WRONLY).catch((cause: NodeJS.ErrnoException) => {
    throw io(`Cannot write to "${path}"`, path, cause);
  });
  try {
    return await streamOutput(handle.fd, path, tmpDir);
  } finally {
    await handle.close();
  }
}

function stream(fd: Fd, path: string, spillDir: string): ArchiveOutput {
  return {
    path,
    form: 'stream',
    fd,
    spillDir,
    commit: async () => {},
    [Symbol.asyncDispose]: async () => fd.close(),
  };
}

async function openFile(path: string, { replace, sync }: FileOptions): Promise<ArchiveOutput> {
  const directory = dirname(path);
  const part = join(directory, `.${basename(path)}.frazil-${randomBytes(6).toString('hex')}`);
  const { handle, named } = await create(directory, part);
  const fd = Fd.duplicate(handle.fd);
  await handle.close();
  let name: string | undefined = named ? part : undefined;
  return {
    path,
    form: 'file',
    fd,
    spillDir: directory,
    async commit() {
      try {
        if (replace) {
          if (name === undefined) linkFile(fd, part);
          name = part;
          await rename(part, path);
        } else if (name === undefined) linkFile(fd, path);
        else if (await nameNew(part, path)) name = undefined;
      } catch (cause) {
        if (errnoOf(cause) === 'EEXIST') throw exists(path);
        throw io(`Cannot give the archive its name "${path}"`, path, { code: errnoOf(cause) });
      }
      if (replace) name = undefined;
      if (sync) await syncDirectory(directory);
    },
    async [Symbol.asyncDispose]() {
      fd.close();
      // What cannot be removed has a name that nobody takes for an archive.
      if (name !== undefined) await unlink(name).catch(() => {});
    },
  };
}

// FAT has no links, NFS no such renaming; each has the other. Whether the first name has gone.
async function nameNew(part: string, path: string): Promise<boolean> {
  try {
    renameNew(part, path);
    return true;
  } catch (cause) {
    if (!NO_SUCH_RENAME.has(errnoOf(cause))) throw cause;
    await link(part, path);
    return false;
  }
}

const NO_SUCH_RENAME = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP']);

async function create(
  directory: string,
  part: string,
): Promise<{ readonly handle: FileHandle; readonly named: boolean }> {
  const fail = (cause: NodeJS.ErrnoException): never => {
    throw io(`Cannot write an archive into "${directory}"`, directory, cause);
  };
  try {
    return { handle: await open(directory, TMPFILE | constants.O_RDWR, 0o600), named: false };
  } catch (cause) {
    if (!NO_TMPFILE.has(errnoOf(cause))) return fail(cause as NodeJS.ErrnoException);
  }
  // FUSE, NFS, FAT and older overlays have no such files.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  return { handle: await open(part, flags, 0o600).catch(fail), named: true };
}

// The archive is whole and has its name; a directory that cannot be synced makes nothing of that untrue.
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync().catch(() => {});
  await handle.close();
}

function exists(path: string): CheckpointError<'IMAGES_EXIST'> {
  const message = `Cannot write the archive "${path}": it is there already. Choose another name, or pass replace: true`;
  return new CheckpointError('IMAGES_EXIST', message, { imagesDir: path });
}

function errnoOf(cause: unknown): string {
  if (CheckpointError.is(cause, 'IO')) return cause.detail.errno ?? 'unknown';
  return (cause as NodeJS.ErrnoException).code ?? 'unknown';
}

function io(what: string, path: string, cause: { readonly code?: string | undefined }): CheckpointError<'IO'> {
  const errno = cause.code ?? 'unknown';
  return new CheckpointError('IO', `${what}: ${errno}`, { path, errno }, { cause });
}
