// What an archive consists of beside its pages, and in which order: docs/design/archive.md, section 1. Names and headers are made here,
// bytes of images are moved by native/archive.

import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveAddition, ArchiveWriter, PagesMember } from '../../addon/archive-writer.js';
import type { Fd } from '../../addon/fd.js';
import { INDEX_NAME, type IndexedMember, renderIndex } from '../frazil-index.js';
import { BLOCK_BYTES, END_BYTES, headOf, PAGES_HEAD_BYTES, paddingOf, pagesHeadOf } from '../tar/head.js';

export const CHECKPOINT_DIRECTORY = 'checkpoint';
const INVENTORY = 'inventory.img';
/** What the native writer compresses at a time: native/archive/frame_pool.h. */
const FRAME_BYTES = 256 * 1024;

/** A member that is small enough to be held. */
export interface SmallMember {
  readonly name: string;
  readonly content: Uint8Array;
}

/** What stands before the directory and before the pages of each image. */
export function pageHeads(members: readonly PagesMember[], mtime: Date): readonly Buffer[] {
  return [
    pagesHeadOf({ name: CHECKPOINT_DIRECTORY, kind: 'directory', bytes: 0, mtime }),
    ...members.map(({ pagesId, bytes }) => pagesHeadOf({ name: pagesName(pagesId), kind: 'file', bytes, mtime })),
  ];
}

function pagesName(pagesId: number): string {
  return `${CHECKPOINT_DIRECTORY}/pages-${pagesId}.img`;
}

/** A member from a file: `file` in some directory becomes `name`. */
interface FileMember {
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
}

/** Follows the stream from the end of the pages on: where each member lies, and what the writer is told. */
export class Composer {
  readonly #mtime: Date;
  readonly #members: IndexedMember[];
  #at: number;

  constructor(pages: readonly PagesMember[], mtime: Date) {
    this.#mtime = mtime;
    this.#members = pages.map(({ pagesId, at, bytes }) => ({ name: pagesName(pagesId), at, bytes, pagesId }));
    this.#at = Math.max(PAGES_HEAD_BYTES, ...pages.map(({ at, bytes }) => at + bytes));
  }

  file({ file, name, bytes }: FileMember): ArchiveAddition {
    const head = this.#head(name, bytes);
    return { head, name: file, bytes };
  }

  small({ name, content }: SmallMember): ArchiveAddition {
    const head = this.#head(name, content.length);
    return { head: Buffer.concat([head, content, Buffer.alloc(paddingOf(content.length))]) };
  }

  /** The index, and what ends every archive. */
  end(profile: string, compressed: boolean): ArchiveAddition {
    const members = [...this.#members];
    const frames = compressed ? { frameBytes: FRAME_BYTES } : {};
    // Whole blocks, as its name is short enough for a head of one.
    const content = renderIndex({ profile, ...frames, members }, this.#at + BLOCK_BYTES);
    const head = headOf({ name: INDEX_NAME, kind: 'file', bytes: content.length, mtime: this.#mtime });
    return { head: Buffer.concat([head, content, Buffer.alloc(END_BYTES)]) };
  }

  #head(name: string, bytes: number): Buffer {
    const head = headOf({ name, kind: 'file', bytes, mtime: this.#mtime });
    const at = this.#at + head.length;
    this.#members.push({ name, at, bytes });
    this.#at = at + bytes + paddingOf(bytes);
    return head;
  }
}

export interface Composition {
  readonly writer: ArchiveWriter;
  readonly pages: readonly PagesMember[];
  /** The small images, the pagemaps among them. */
  readonly images: Fd;
  /** CRIU's log and figures. */
  readonly work: { readonly fd: Fd; readonly path: string; readonly logFile: string };
  readonly profile: { readonly name: string; readonly members: readonly SmallMember[] };
  readonly compressed: boolean;
  readonly mtime: Date;
  readonly signal: AbortSignal;
}

/** Everything after the pages. Rejects with IO or ABORTED. */
export async function appendRest(composition: Composition): Promise<void> {
  const { writer, pages, images, work, profile, compressed, mtime, signal } = composition;
  const composer = new Composer(pages, mtime);
  const path = `/proc/self/fd/${images.number}`;
  const small = await filesOf(path, inventoryLast(await readdir(path)), (file) => `${CHECKPOINT_DIRECTORY}/${file}`);
  const figures = await filesOf(work.path, [work.logFile, 'stats-dump'], nameOfFigures(work.logFile));
  const addFiles = (from: Fd, files: readonly FileMember[]): Promise<void> => {
    return writer.append(
      from,
      files.map((file) => composer.file(file)),
      { signal },
    ).done;
  };
  await addFiles(images, small);
  await addFiles(work.fd, figures);
  const rest = [...profile.members.map((member) => composer.small(member)), composer.end(profile.name, compressed)];
  await writer.append(images, rest, { signal }).done;
}

function inventoryLast(names: readonly string[]): readonly string[] {
  const others = names.filter((name) => name !== INVENTORY && name !== 'parent').sort();
  return names.includes(INVENTORY) ? [...others, INVENTORY] : others;
}

function nameOfFigures(logFile: string): (file: string) => string {
  return (file) => (file === logFile ? 'dump.log' : file);
}

// As long as they are now: a log may grow meanwhile. What is not there, or is no file, is left out.
async function filesOf(
  directory: string,
  files: readonly string[],
  nameOf: (file: string) => string,
): Promise<readonly FileMember[]> {
  const found = await Promise.all(
    files.map(async (file) => ({ file, status: await lstat(join(directory, file)).catch(() => undefined) })),
  );
  return found.flatMap(({ file, status }) =>
    status?.isFile() === true ? [{ file, name: nameOf(file), bytes: status.size }] : [],
  );
}
