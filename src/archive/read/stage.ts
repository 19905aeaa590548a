// The images of an archive as a directory that CRIU can restore from, for as long as that takes. In memory without a name when there is
// enough of it, because it ends with this process however that ends; else in a folder of the temporary directory.

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mkdirBeneath, openBeneath } from '../../addon/beneath.js';
import type { Fd } from '../../addon/fd.js';
import { privateTmpfs } from '../../addon/page-sink.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import type { Archive } from '../archive.js';
import { corrupt } from '../errors.js';
import { isPages, unpackInto } from './unpack.js';
import { type ArchiveSummary, type WalkProgress, walk } from './walk.js';

export interface StagedImages extends AsyncDisposable {
  /** Holds inventory.img; its parents, if any, lie where its link says. */
  readonly imagesDir: string;
  readonly summary: ArchiveSummary;
}

export interface StageOptions {
  readonly signal: AbortSignal;
  readonly report: (progress: WalkProgress) => void;
  /** Without them, what is not taken out is stepped over where the file allows it, and its digest looked at only when a signature is demanded. */
  readonly pages?: 'with' | 'without';
}

const CONTENTS = 'contents';

/** Rejects as extract() does, and with ARCHIVE_CORRUPT when no images are in the archive; then nothing is left. */
export async function stageImages(
  archive: Archive,
  { pages = 'with', ...options }: StageOptions,
): Promise<StagedImages> {
  await using held = new Held();
  const place = await openPlace((await fitsMemory(archive)) ? 'memory' : 'disk', held);
  // In a folder, so that something can be beside images that lie at the archive's root.
  mkdirBeneath(place.root, CONTENTS);
  const root = held.use(openBeneath(place.root, CONTENTS, 'folder'));
  const wanted = pages === 'with' ? isImage : (name: string) => isImage(name) && !isPages(name);
  const unpacking = unpackInto(root, archive.name, wanted);
  const stepping = pages === 'with' || archive.signers.length > 0 ? {} : { digestsOf: wanted };
  const summary = await walk(archive, { ...options, ...stepping, visit: unpacking.visit });
  unpacking.finish();
  const images = imagesIn(summary.members, archive.name);
  const kept = held.move();
  return {
    imagesDir: join(place.path, CONTENTS, images),
    summary,
    [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
  };
}

// What CRIU and runc read: not the root filesystem, volumes and logs of a container.
const IMAGE = /(^|\/)([^/]+\.(img|tar\.gz)|descriptors\.json|parent)$/;
const OF_CONTAINER = /^(volumes|artifacts)\//;

/** Of a member's name. */
export function isImage(name: string): boolean {
  return IMAGE.test(name) && !OF_CONTAINER.test(name);
}

/** Podman's and ours lie in `checkpoint`; an archive of an images directory has them at its root or in one folder. */
export function imagesIn(
  members: ReadonlyArray<Pick<ArchiveSummary['members'][number], 'name' | 'kind'>>,
  archive: string,
): string {
  const folders = members.flatMap(({ name, kind }) =>
    kind === 'file' && /(^|\/)inventory\.img$/.test(name) ? [dirname(name)] : [],
  );
  const [only, ...others] = folders;
  if (folders.includes('checkpoint')) return 'checkpoint';
  if (folders.includes('.')) return '.';
  if (only === undefined) throw corrupt(archive, 'it holds no whole checkpoint (inventory.img is missing)');
  if (others.length > 0)
    throw corrupt(archive, `it holds several checkpoints (${folders.join(', ')}), and none in "checkpoint"`);
  return only;
}

interface Place {
  readonly root: Fd;
  readonly path: string;
}

/** Memory without a name, when the caller may make some; else a folder. */
export async function openPlace(where: 'memory' | 'disk', held: Held): Promise<Place> {
  if (where === 'memory') {
    const root = inMemory();
    if (root !== undefined) return { root: held.use(root), path: `/proc/self/fd/${root.number}` };
  }
  const path = await mkdtemp(join(tmpdir(), 'frazil-restore-'));
  held.defer(() => rm(path, { recursive: true, force: true }).catch(() => {}));
  return { root: held.use(await openDirectory(path, 'itself')), path };
}

function inMemory(): Fd | undefined {
  try {
    return privateTmpfs();
  } catch (reason) {
    // Without CAP_SYS_ADMIN there is the other place.
    if (CheckpointError.is(reason, 'IO')) return undefined;
    throw reason;
  }
}

// The images and the restored memory are there at once, and a compressed archive holds more than its size: ten to one is rare.
const LARGEST_SHARE = 1 / 20;

async function fitsMemory({ from }: Archive): Promise<boolean> {
  if (from.kind !== 'file') return false;
  const size = await stat(from.path).then(
    (status) => status.size,
    () => 0,
  );
  return size < (await availableBytes()) * LARGEST_SHARE;
}

async function availableBytes(): Promise<number> {
  const found = /^MemAvailable:\s*(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}
