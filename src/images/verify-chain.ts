// Whether a chain of images directories is complete: every hole found in a parent, every pages file as long as its pagemap says. No page is
// read, so it takes milliseconds; a page with wrong bytes is not found this way.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { checkChain, type ImageFault } from '../addon/images.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { describeFault, listPagemaps, pathOf } from './pagemaps.js';
import { readPstree } from './pstree.js';
import { holdsCheckpoint, openDirectory } from './staging.js';

export interface ChainProblem {
  /** The file, by the way through `parent` that leads to it. */
  readonly path: string;
  /** 0 is the images directory itself, 1 its parent. */
  readonly level: number;
  /** A clause. */
  readonly what: string;
  /** Of the first page that it is about, in hexadecimal. */
  readonly address?: string;
  readonly pages?: number;
}

export interface ChainReport {
  readonly imagesDir: string;
  /** Levels, the images directory included. */
  readonly depth: number;
  /** False for a pre-dump: pages to be a parent, and no process tree. */
  readonly restorable: boolean;
  readonly images: number;
  readonly pages: number;
  readonly parentPages: number;
  /** Empty when the chain is whole; at most `limit`. */
  readonly problems: readonly ChainProblem[];
}

export interface VerifyChainOptions {
  readonly signal?: AbortSignal | undefined;
  /** Problems to list; default 1000. */
  readonly limit?: number;
}

const LIMIT = 1000;

/** What is wrong with a chain is in the report. Throws IO when the directory cannot be read, FEATURE_MISSING, ABORTED. */
export async function verifyChain(imagesDir: string, options: VerifyChainOptions = {}): Promise<ChainReport> {
  const { signal, limit = LIMIT } = options;
  const names = (await listPagemaps(imagesDir)).map(({ name }) => name);
  using directory = await openDirectory(imagesDir);
  const outcome = await checkChain(directory, names, { limit, signal }).done;
  const faults = outcome.fault === undefined ? outcome.faults : [outcome.fault];
  const files = await missingFiles(imagesDir, names);
  const { depth, images, pages, parentPages } = outcome;
  const problems = [...files, ...faults.map((fault) => toProblem(imagesDir, fault))].slice(0, limit);
  return { imagesDir, depth, restorable: await isRestorable(imagesDir), images, pages, parentPages, problems };
}

function toProblem(imagesDir: string, fault: ImageFault): ChainProblem {
  const place = { path: pathOf(imagesDir, fault), level: fault.level, what: describeFault(fault) };
  if (fault.flaw !== 'hole-unfilled') return place;
  return { ...place, address: `0x${fault.vaddr.toString(16)}`, pages: fault.pages };
}

// Of a checkpoint: the images that CRIU needs of each task. A pre-dump has pages only.
async function missingFiles(imagesDir: string, pagemaps: readonly string[]): Promise<readonly ChainProblem[]> {
  if (!(await holdsCheckpoint(imagesDir))) return [];
  const tree = join(imagesDir, 'pstree.img');
  if (!(await exists(tree))) {
    // A pre-dump of CRIU's has an inventory and pages, and no tree.
    return pagemaps.length > 0 ? [] : [{ path: tree, level: 0, what: 'it is missing' }];
  }
  const tasks = await readPstree(imagesDir).catch((error: unknown) => {
    if (CheckpointError.is(error, 'IMAGES_CORRUPT')) return error;
    throw error;
  });
  if (tasks instanceof CheckpointError) return [{ path: tree, level: 0, what: 'it is damaged' }];
  const needed = ['files.img', ...tasks.map(({ pid }) => `core-${pid}.img`)];
  const there = await Promise.all(needed.map((name) => exists(join(imagesDir, name))));
  const missing = needed.filter((_, index) => there[index] === false);
  return missing.map((name) => ({ path: join(imagesDir, name), level: 0, what: 'it is missing' }));
}

// CRIU gives a pre-dump an inventory, too, but no tree.
async function isRestorable(imagesDir: string): Promise<boolean> {
  return (await holdsCheckpoint(imagesDir)) && (await exists(join(imagesDir, 'pstree.img')));
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
