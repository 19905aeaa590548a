// A container at the destination of its migration: its bundle is made when it is announced, files come while it still runs elsewhere, and its
// runtime restores it, with Frazil in the seat of its CRIU. A receiver has been told a bundle; nothing is written outside of it but by
// the runtime, for what config.json says.

import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Copy } from '../../migrate/destination/copy.js';
import type { ContainerDestination } from '../../migrate/destination/options.js';
import type { MovedContainer, MovedTree, TreePiece } from '../../migrate/wire/container-messages.js';
import { ID_PATTERN } from '../../migrate/wire/container-messages.js';
import { removeFrom, unpackTree } from '../archived/tree.js';
import { failAt, isThere } from '../bundle-place.js';
import { containers } from '../containers.js';
import type { HeldRestore } from './held-restore.js';
import { startKeeper } from './kept-restore.js';
import { hasTerminal, ownSpec, specFor } from './spec.js';

export interface Arrival extends AsyncDisposable {
  readonly id: string;
  readonly bundle: string;
  readonly runtime: 'runc' | 'crun';
  /** The root filesystem was there. */
  readonly rootThere: boolean;
  /** The next piece of its files. Rejects with PROTOCOL, ARCHIVE_CORRUPT or IO. */
  write(piece: TreePiece, bytes: Uint8Array): Promise<void>;
  makeCopy(restore: HeldRestore): Promise<Copy>;
  /** It runs: what was made for it stays. */
  keep(): void;
}

export interface ArrivalPlan {
  readonly moved: MovedContainer;
  readonly place: ContainerDestination;
  readonly criu: string | undefined;
}

/**
 * Rejects with RUNTIME_MISSING, IO when the bundle cannot be made, RUNTIME_REFUSED when there is a container of that name, and FEATURE_MISSING
 * for one with a terminal that could not be restored with it. Disposing takes away what was made, unless it is kept; changes in a root filesystem that was there stay. It may be disposed twice.
 */
export async function openArrival({ moved, place, criu }: ArrivalPlan): Promise<Arrival> {
  const { runtime, trees } = moved;
  const id = place.id ?? moved.id;
  if (!ID_PATTERN.test(id)) throw new RangeError(`Cannot use "${id}" as the id of a container`);
  const { root, paths, systemdCgroup } = place;
  const path = paths?.[runtime];
  const call = { runtime, ...defined({ root, path, criu, systemdCgroup }) };
  const operations = await containers(call);
  if (
    await operations.state(id).then(
      () => true,
      () => false,
    )
  )
    throw taken(id, runtime);
  const bundle = await planBundle(place);
  const consoleSocket = consoleFor(moved, { place, terminalThere: bundle.terminalThere });
  const { tarball } = bundle;
  const keeper = startKeeper();
  keeper.made(bundle.made);
  await makeBundle(moved, bundle).catch(async (error: unknown) => {
    await takeAway(bundle);
    await keeper.bye();
    throw error;
  });
  const tars = new Map<number, { readonly removed: Buffer[]; bytes: number }>();
  let kept = false;
  const folderOf = ({ kind, name }: MovedTree): string =>
    kind === 'rootfs' ? bundle.rootfs : join(bundle.volumes, name);
  const put = async (tree: MovedTree, { kind, end }: TreePiece, bytes: Uint8Array, state: Arriving): Promise<void> => {
    const folder = folderOf(tree);
    if (kind === 'removed') {
      state.removed.push(Buffer.from(bytes));
      if (!end) return;
      const names = Buffer.concat(state.removed).toString('utf8').split('\0').filter(Boolean);
      state.removed.length = 0;
      return removeFrom(folder, names, 'what the source has removed');
    }
    await append(tarball, bytes);
    if (!end) return;
    await mkdir(folder, { recursive: true, mode: 0o755 }).catch(failAt(folder));
    await unpackTree(tarball, folder).finally(() => rm(tarball, { force: true }));
  };
  return {
    id,
    bundle: bundle.path,
    runtime,
    rootThere: bundle.rootThere,
    async write(piece, bytes) {
      const tree = trees[piece.index];
      if (tree === undefined) throw protocol(`tree ${piece.index}`, `one of ${trees.length}`);
      const state = tars.get(piece.index) ?? { removed: [], bytes: 0 };
      tars.set(piece.index, state);
      state.bytes += bytes.length;
      if (state.bytes > tree.maxBytes) throw protocol(`more than ${tree.maxBytes} bytes of "${tree.name}"`, 'fewer');
      await put(tree, piece, bytes, state);
    },
    makeCopy: (restore) => keeper.restore({ ...restore, call, id, bundle: bundle.path, ...defined({ consoleSocket }) }),
    keep: () => {
      kept = true;
    },
    async [Symbol.asyncDispose]() {
      await rm(tarball, { force: true });
      if (!kept) await takeAway(bundle);
      await keeper.bye();
    },
  };
}

interface Arriving {
  readonly removed: Buffer[];
  bytes: number;
}

interface Bundle {
  readonly path: string;
  readonly rootfs: string;
  readonly rootThere: boolean;
  readonly volumes: string;
  readonly config: string;
  /** There is one, which is taken as it is: it may name another network namespace, other volumes. */
  readonly configThere: boolean;
  /** What that says. */
  readonly terminalThere: boolean | undefined;
  /** A piece of files before it is unpacked. */
  readonly tarball: string;
  /** What is not there yet, and is to be taken away again. */
  readonly made: readonly string[];
}

async function planBundle(place: ContainerDestination): Promise<Bundle> {
  const path = resolve(place.bundle);
  const config = join(path, 'config.json');
  const volumes = join(path, 'volumes');
  const tarball = join(path, '.frazil-arriving.tar');
  const own = await ownSpec(config);
  const rootfs = resolve(path, place.rootfs ?? own?.root ?? 'rootfs');
  const rootThere = (await readdir(rootfs).catch(() => [])).length > 0;
  const made = [tarball];
  if (!rootThere) made.push(rootfs);
  if (!(await isThere(volumes))) made.push(volumes);
  if (own === undefined) made.push(config);
  if (!(await isThere(path))) made.push(path);
  const there = { rootThere, configThere: own !== undefined, terminalThere: own?.terminal };
  return { path, rootfs, volumes, config, tarball, made, ...there };
}

interface Terminals {
  readonly place: ContainerDestination;
  readonly terminalThere: boolean | undefined;
}

// A runtime takes a console socket for a terminal alone, and looks for the one in the bundle.
function consoleFor({ id, config }: MovedContainer, { place, terminalThere }: Terminals): string | undefined {
  const terminal = hasTerminal(config);
  const has = `it has ${terminal ? 'a' : 'no'} terminal`;
  if (terminalThere !== undefined && terminalThere !== terminal)
    throw noTerminal(id, `${has}, and the config.json in "${place.bundle}" says otherwise`);
  if (!terminal) return undefined;
  if (place.consoleSocket !== undefined) return resolve(place.consoleSocket);
  throw noTerminal(id, `${has}, and no socket for its other end was given here (--console-socket PATH)`);
}

function noTerminal(id: string, why: string): CheckpointError<'FEATURE_MISSING'> {
  return new CheckpointError('FEATURE_MISSING', `Cannot receive container "${id}": ${why}`, { feature: 'terminal' });
}

async function makeBundle(moved: MovedContainer, bundle: Bundle): Promise<void> {
  const { path, rootfs, volumes, config } = bundle;
  await mkdir(path, { recursive: true, mode: 0o700 }).catch(failAt(path));
  if (!bundle.rootThere) await mkdir(rootfs, { recursive: true, mode: 0o755 }).catch(failAt(rootfs));
  for (const { kind, name } of moved.trees) {
    const folder = join(volumes, name);
    if (kind === 'volume') await mkdir(folder, { recursive: true, mode: 0o755 }).catch(failAt(folder));
  }
  if (bundle.configThere) return;
  await writeFile(config, specFor(moved, { rootfs, volumes }), { mode: 0o600, flag: 'wx' }).catch(failAt(config));
}

async function takeAway({ made }: Bundle): Promise<void> {
  for (const path of made) await rm(path, { recursive: true, force: true });
}

async function append(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'a', 0o600).catch(failAt(path));
  await file
    .writeFile(bytes)
    .catch(failAt(path))
    .finally(() => file.close());
}

function taken(id: string, runtime: string): CheckpointError<'RUNTIME_REFUSED'> {
  const message = `Cannot receive container "${id}": ${runtime} has one of that name. Give it another, or delete that one`;
  return new CheckpointError('RUNTIME_REFUSED', message, { runtime, command: 'restore', status: 0, errors: [] });
}

function protocol(received: string, expected: string): CheckpointError<'PROTOCOL'> {
  const message = `Cannot receive the container: the source sent ${received}, where ${expected} was expected`;
  return new CheckpointError('PROTOCOL', message, { received, expected });
}

function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
