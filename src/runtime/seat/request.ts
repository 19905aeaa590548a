// The first message of a runtime to its CRIU: what it asks for, and with which directories. Numbers of fds in it are numbers in the
// process that asks; CRIU takes them for numbers in the process at the other end of its socket, which is us now. So they are opened
// anew, by way of /proc.

import { constants } from 'node:fs';
import { open, readlink, stat } from 'node:fs/promises';
import { Fd } from '../../addon/fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import type { CriuOpts, CriuRequest } from '../../schema/rpc.js';

/** The directories of a dump, by their names. */
export interface Directories {
  readonly imagesDir: string;
  readonly workDir: string;
}

/** Throws PROTOCOL when the request names no images directory, IO when one is gone or has no name any more. */
export async function directoriesOf(asker: number, opts: CriuOpts): Promise<Directories> {
  const imagesDir = await pathOf(asker, opts.images_dir_fd);
  const { work_dir_fd } = opts;
  return { imagesDir, workDir: given(work_dir_fd) ? await pathOf(asker, work_dir_fd) : imagesDir };
}

// The name leads to the directory only while nobody moves it and where we see the same mounts.
async function pathOf(asker: number, number: number): Promise<string> {
  const link = linkTo(asker, number);
  try {
    const path = await readlink(link);
    const [open, named] = await Promise.all([stat(link), stat(path)]);
    if (open.ino === named.ino && open.dev === named.dev) return path;
    throw Object.assign(new Error('its name leads elsewhere'), { code: 'ESTALE', syscall: 'stat' });
  } catch (cause) {
    throw cannotOpen(link, cause);
  }
}

/**
 * The request with its numbers being ours; what was opened is `held`. Only the relay of a request needs it: a dump of ours opens its
 * directories itself.
 */
export async function reopened(asker: number, request: CriuRequest, held: Held): Promise<CriuRequest> {
  const { opts } = request;
  if (opts === undefined) return request;
  const directory = async (number: number): Promise<number> =>
    held.use(await openDirectory(linkTo(asker, number))).number;
  return {
    ...request,
    opts: {
      ...opts,
      ...(given(opts.images_dir_fd) && { images_dir_fd: await directory(opts.images_dir_fd) }),
      ...(given(opts.work_dir_fd) && { work_dir_fd: await directory(opts.work_dir_fd) }),
      ...(given(opts.status_fd) && { status_fd: held.use(await openStatus(asker, opts.status_fd)).number }),
    },
  };
}

// A pipe or a file, into which CRIU writes one byte.
async function openStatus(asker: number, number: number): Promise<Fd> {
  const link = linkTo(asker, number);
  const handle = await open(link, constants.O_WRONLY | constants.O_APPEND).catch((cause: unknown) => {
    throw cannotOpen(link, cause);
  });
  try {
    return Fd.duplicate(handle.fd);
  } finally {
    await handle.close();
  }
}

// Absent and negative are the same to CRIU.
function given(number: number | undefined): number is number {
  return number !== undefined && number >= 0;
}

function linkTo(asker: number, number: number): string {
  return `/proc/${asker}/fd/${number}`;
}

function cannotOpen(path: string, cause: unknown): CheckpointError<'IO'> {
  const { code: errno = 'unknown', syscall = 'open' } = cause as NodeJS.ErrnoException;
  const message = `Cannot open what the runtime has open as "${path}": ${errno}`;
  return new CheckpointError('IO', message, { path, syscall, errno }, { cause });
}
