// A checkpoint into one that wakes up elsewhere: other ports, addresses, names, paths. What changes is a few small images and some bytes
// of a stack, so it becomes a level above the checkpoint (native/page/overlay.h), which is its parent and is not touched.

import { mkdir, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { overlayImages } from '../../addon/images.js';
import { copySmallImages } from '../copy-small-images.js';
import { openLockedFolder } from '../locked-folder.js';
import { imageError, listPagemaps } from '../pagemaps.js';
import { openScratch } from '../scratch.js';
import { squash } from '../squash.js';
import { openDirectory } from '../staging.js';
import { type Change, type Checkpoint, Draft } from './draft.js';
import { rewriteEnvironment } from './environment.js';
import { rewriteCgroups, rewriteHostname, rewriteTerminals } from './host.js';
import { rewritePaths } from './paths.js';
import { checkRules, type RewriteRules } from './rules.js';
import { rewriteSockets } from './sockets.js';

export interface RewriteReport {
  readonly imagesDir: string;
  /** Absent in a dry run. */
  readonly to?: string;
  readonly changes: readonly Change[];
}

export interface RewriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Only says what would change. */
  readonly dryRun?: boolean;
}

/**
 * Rewrites the checkpoint `imagesDir` into the new directory `to`, which needs no parent. Nothing is at `to` unless it is whole and
 * synced; the checkpoint is only read. Throws RangeError for rules that make no sense, REWRITE_REFUSED for what the checkpoint does not
 * allow, IMAGES_EXIST, IMAGES_CORRUPT, IO, ABORTED.
 */
export async function rewrite(
  imagesDir: string,
  { to, rules }: { readonly to: string; readonly rules: RewriteRules },
  { signal, dryRun = false }: RewriteOptions = {},
): Promise<RewriteReport> {
  const draft = await draftOf({ imagesDir }, rules);
  const { changes } = draft;
  if (dryRun) return { imagesDir, changes };
  await using level = await writeLevel(draft);
  await squash(level.path, to, { signal });
  return { imagesDir, to, changes };
}

export interface RewrittenLevel extends AsyncDisposable {
  /** An images directory whose parent is the checkpoint. */
  readonly path: string;
  readonly changes: readonly Change[];
}

/** The same without a copy of any page, for as long as it is held: in a folder of its own, mode 0700, beside the checkpoint. */
export async function rewriteAbove(checkpoint: Checkpoint, rules: RewriteRules): Promise<RewrittenLevel> {
  return writeLevel(await draftOf(checkpoint, rules));
}

async function draftOf(checkpoint: Checkpoint, rules: RewriteRules): Promise<Draft> {
  checkRules(rules);
  const draft = await Draft.open(checkpoint);
  await rewriteSockets(draft, rules.sockets ?? []);
  await rewritePaths(draft, withTerminals(rules));
  await rewriteHostname(draft, rules.hostname);
  await rewriteCgroups(draft, rules.cgroups ?? []);
  await rewriteTerminals(draft, rules.terminals ?? []);
  await rewriteEnvironment(draft, rules.environment ?? {});
  return draft;
}

// A terminal that was opened by its name has that in files.img.
function withTerminals(rules: RewriteRules): RewriteRules {
  const names = (rules.terminals ?? []).map(({ from, to }) => ({ from: `/dev/pts/${from}`, to: `/dev/pts/${to}` }));
  return { ...rules, paths: [...names, ...(rules.paths ?? [])] };
}

async function writeLevel(draft: Draft): Promise<RewrittenLevel> {
  const folder = await openFolder(draft.imagesDir);
  try {
    const path = join(folder.path, 'images');
    await mkdir(path, { mode: 0o700 });
    await symlink(folder.parent, join(path, 'parent'));
    await copySmallImages(draft.imagesDir, path);
    for (const { name, bytes } of draft.files()) await writeFile(join(path, name), bytes, { mode: 0o600 });
    await writePages(draft, path);
    return { path, changes: draft.changes, [Symbol.asyncDispose]: folder.remove };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

interface LevelFolder {
  readonly path: string;
  /** The checkpoint, as a folder in this one links to it. */
  readonly parent: string;
  remove(): Promise<void>;
}

// CRIU follows the link when the tree has its own root already, in which no absolute path leads to the checkpoint.
async function openFolder(imagesDir: string): Promise<LevelFolder> {
  const place = await placeOf(imagesDir);
  const folder = await openLockedFolder(dirname(place), PREFIX).catch(failUnlessNoPlace);
  if (folder !== undefined) {
    const remove = async (): Promise<void> => {
      await folder.remove();
      folder.fd.close();
    };
    return { path: folder.path, parent: join('../..', basename(place)), remove };
  }
  const scratch = await openScratch('rewrite');
  return { path: scratch.path, parent: place, remove: () => scratch[Symbol.asyncDispose]() };
}

// Where a link leads to. What is reached through a descriptor only (an unpacked archive) has no other path, or that of something else.
async function placeOf(imagesDir: string): Promise<string> {
  const path = resolve(imagesDir);
  const real = await realpath(path).catch(() => path);
  const [there, here] = await Promise.all([stat(real).catch(() => undefined), stat(path)]);
  return there?.dev === here.dev && there.ino === here.ino ? real : path;
}

const PREFIX = '.frazil-rewrite-';

const NO_PLACE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT']);

// Who cannot write there has the temporary directory, and no tree with a root of its own.
function failUnlessNoPlace(error: NodeJS.ErrnoException): undefined {
  if (!NO_PLACE.has(error.code ?? '')) throw error;
}

async function writePages(draft: Draft, path: string): Promise<void> {
  const { patches } = draft;
  const names = (await listPagemaps(draft.imagesDir)).map(({ name }) => name);
  using directory = await openDirectory(draft.imagesDir);
  using to = await openDirectory(path, 'itself');
  const images = names.map((name) => ({ name, patches: patches.get(name) ?? [] }));
  const { fault } = await overlayImages(directory, images, { to }).done;
  if (fault !== undefined) throw imageError('rewrite', draft.imagesDir, fault);
}
