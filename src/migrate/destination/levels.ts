// The images of a migration at its destination: a folder per level, each the parent of the next. Pages come natively, image files over
// the control stream; names are checked, because the peer is not trusted.

import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import { openPageIntake, type PageIntake, type TransferCounters } from '../../addon/page-streams.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openDirectory } from '../../images/staging.js';
import { unwritten } from './unwritten.js';

export interface Levels extends AsyncDisposable {
  /** Where the last level lies. */
  readonly path: string;
  /** Begins to take the next level in; levels follow each other. Rejects with IO or PROTOCOL. */
  receive(number: number, extent: Extent): Received;
  /** Adds to an image file of the last level; its inventory is kept aside. Rejects with PROTOCOL or IO. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  readonly inventory: Uint8Array;
  counters(): TransferCounters;
}

/** `lacking`: its lazy pages stay at the source. */
export type Extent = 'whole' | 'lacking';

export interface Received {
  /** The folder of the level is there. */
  readonly made: Promise<string>;
  /** So are its pages and pagemaps. */
  readonly whole: Promise<void>;
}

export interface LevelsOptions {
  /** Exists, is empty, and is removed in the end. */
  readonly directory: string;
  readonly streams: readonly Fd[];
  readonly keys: readonly Uint8Array[] | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

// What CRIU calls its files; page files come by the page streams.
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const OF_PAGES = /^(pages-|pagemap-)/;
/** Of all image files but pages: ghost files, contents of tmpfs, queues of sockets. */
const MAX_FILE_BYTES = 4 * 2 ** 30;
export const INVENTORY = 'inventory.img';
// It is a hundred bytes, and has to fit into a pipe.
const MAX_INVENTORY_BYTES = 16 * 2 ** 10;

export function openLevels({ directory, streams, keys, maxBytes, signal }: LevelsOptions): Levels {
  const intake = openPageIntake({ streams, maxBytes, ...(keys === undefined ? {} : { keys }) });
  let last = -1;
  let written = 0;
  let underWay: Promise<void> = Promise.resolve();
  const pathOf = (number: number): string => join(directory, String(number));
  let inventory: Buffer = Buffer.alloc(0);
  const make = async (number: number): Promise<string> => {
    if (number !== last + 1) throw protocol(`level ${number}`, `level ${last + 1}`);
    last = number;
    await makeLevel(pathOf(number), number > 0 ? number - 1 : undefined);
    return pathOf(number);
  };
  const fill = async (number: number, extent: Extent): Promise<void> => {
    await take(intake, { path: pathOf(number), parent: number > 0 ? pathOf(number - 1) : undefined, extent, signal });
  };
  return {
    get path() {
      return pathOf(last);
    },
    get inventory() {
      return inventory;
    },
    receive: (number, extent) => {
      const made = underWay.then(() => make(number));
      const whole = made.then(() => fill(number, extent));
      underWay = whole.catch(() => {});
      return { made, whole };
    },
    async write(name, bytes) {
      if (!NAME.test(name) || OF_PAGES.test(name) || name === 'parent')
        throw protocol(name, 'the name of an image file');
      written += bytes.length;
      if (name === INVENTORY) {
        inventory = Buffer.concat([inventory, bytes]);
        if (inventory.length > MAX_INVENTORY_BYTES)
          throw protocol('a huge inventory', `at most ${MAX_INVENTORY_BYTES}`);
        return;
      }
      if (written > MAX_FILE_BYTES) throw protocol(`${written} bytes of image files`, `at most ${MAX_FILE_BYTES}`);
      append(join(pathOf(last), name), bytes);
    },
    counters: () => intake.counters(),
    async [Symbol.asyncDispose]() {
      await underWay;
      intake[Symbol.dispose]();
      await rm(directory, { recursive: true, force: true }).catch(() => {});
    },
  };
}

async function makeLevel(path: string, parent: number | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (parent !== undefined) await symlink(join('..', String(parent)), join(path, 'parent'));
}

interface Place {
  readonly path: string;
  readonly parent: string | undefined;
  readonly extent: Extent;
  readonly signal: AbortSignal;
}

async function take(intake: PageIntake, { path, parent, extent, signal }: Place): Promise<void> {
  using directory = await openDirectory(path, 'itself');
  using below = parent === undefined ? undefined : await openDirectory(parent, 'itself');
  try {
    await intake.receive(directory, {
      signal,
      lacking: extent === 'lacking',
      ...(below === undefined ? {} : { parent: below }),
    }).done;
  } catch (error) {
    const errno = CheckpointError.is(error, 'IO') ? (error.detail.errno ?? '') : '';
    if (REASONS[errno] !== undefined) throw protocol(REASONS[errno], 'pages as they were announced');
    throw errno === 'ENOSPC' ? unwritten(join(path, 'pages'), error, errno) : error;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EPROTO: 'a frame of pages that cannot be',
  EBADMSG: 'a frame of pages that was not sealed with our key',
  EFBIG: 'more pages than it had announced',
};

// At most a mebibyte into the page cache, while the tree stands still and hundreds of others wait behind it: not for another thread to do.
function append(path: string, bytes: Uint8Array): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  try {
    const file = openSync(path, flags, 0o600);
    try {
      writeFileSync(file, bytes);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw unwritten(path, cause);
  }
}

function protocol(received: string, expected: string): CheckpointError<'PROTOCOL'> {
  const message = `Cannot receive the tree: the source sent ${received}, where ${expected} was expected`;
  return new CheckpointError('PROTOCOL', message, { received, expected });
}
