// A container at the source of its migration: its bundle and files, and its runtime's checkpoint as the final dump, with Frazil in the seat of
// its CRIU. The runtime says what makes the container restorable (ADR 11); what CRIU dumps goes the way of every migration.

import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pidfdOpen, waitExit } from '../../addon/children.js';
import { overlayAt } from '../../archive/tree/overlay.js';
import { locate } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openScratch } from '../../images/scratch.js';
import type { OpenGround } from '../../migrate/source/ground.js';
import type { Dumping, Vessel } from '../../migrate/source/vessel.js';
import type { SourceChannel } from '../../migrate/wire/connect.js';
import type { MovedTree } from '../../migrate/wire/container-messages.js';
import { driverOf } from '../containers.js';
import { invocationOf } from '../driver.js';
import type { FoundContainer } from '../find/find.js';
import { wordsOf } from '../flags.js';
import { expectDone, invoke } from '../invoke.js';
import type { CheckpointOptions } from '../options.js';
import { runSeated } from '../process.js';
import { dumpOpts } from '../seat/dump-opts.js';
import { answer, failed, type SeatedRequest } from '../seat/seated-request.js';
import type { SeatedSession } from '../seat/seated-session.js';
import { bytesOf, type Extent, MovingTree } from './files.js';
import { mappedToWrite } from './mapped.js';
import { openSeatedGround } from './seated-ground.js';

export interface VesselPlan {
  readonly found: FoundContainer;
  /** Path of the runtime, and of CRIU, where they are not found by themselves. */
  readonly path: string | undefined;
  readonly criu: string | undefined;
  readonly options: Omit<CheckpointOptions, 'imagesDirectory' | 'workDirectory'>;
  /** Folders that are mounted into the container and move with it; `path` is the source of the mount. */
  readonly volumes: readonly Volume[];
}

export interface Volume {
  readonly name: string;
  readonly path: string;
}

// As with pages (migrate/source/introduce.ts): files may grow, and travel more than once.
const MAX_GROWTH = 64;
const MIN_BYTES = 2 ** 30;

/** Rejects with IO for a bundle or a volume that cannot be read, RangeError for a volume that is no mount of the container. */
export async function openVessel(plan: VesselPlan): Promise<Vessel> {
  const { found } = plan;
  const config = await readFile(join(found.bundle, 'config.json'), 'utf8');
  const root = await overlayAt(found.rootfs).then(
    (overlay): Extent => ({ kind: 'diff', overlay }),
    (): Extent => ({ kind: 'whole' }),
  );
  const sources = [
    { name: 'rootfs', kind: 'rootfs', destination: '/', path: found.rootfs },
    ...plan.volumes.map(
      (volume) => ({ ...volume, kind: 'volume', destination: destinationOf(found, volume) }) as const,
    ),
  ] as const;
  const trees: readonly MovedTree[] = await Promise.all(
    sources.map(async ({ path, ...tree }, index) => {
      // What cannot be read is found out by whoever sends it.
      const bytes = await bytesOf({ index, path, extent: { kind: 'whole' } }).catch(() => 0);
      return { ...tree, maxBytes: Math.max(MIN_BYTES, bytes) * MAX_GROWTH };
    }),
  );
  const moving: { readonly tree: MovingTree; readonly destination: string }[] = [];
  return {
    hello: { id: found.id, runtime: found.runtime, config, trees },
    async move(channel, rootThere) {
      for (const [index, { kind, path, destination }] of sources.entries()) {
        const extent: Extent = kind === 'volume' || !rootThere ? { kind: 'whole' } : root;
        // A plain folder that is there already is the image's: nobody knows what the container has changed in it.
        if (kind === 'rootfs' && rootThere && extent.kind === 'whole') continue;
        moving.push({ tree: new MovingTree({ index, path, extent }), destination });
      }
      await sendAll(channel, found.state.pid, moving);
    },
    makesLinks: plan.options.linkRemap === true,
    catchUp: (channel) => sendAll(channel, found.state.pid, moving),
    dump: (use) => dumpByRuntime(plan, use),
    forget: () => forgetHere(found),
  };
}

async function sendAll(
  channel: SourceChannel,
  pid: number,
  moving: readonly { readonly tree: MovingTree; readonly destination: string }[],
): Promise<void> {
  if (moving.length === 0) return;
  const mapped = await mappedToWrite(pid);
  for (const { tree, destination } of moving) {
    const prefix = destination === '/' ? '/' : `${destination}/`;
    const below = mapped.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
    await tree.send(channel, new Set(below));
  }
}

function destinationOf({ id, mounts }: FoundContainer, { path }: Volume): string {
  const mount = mounts.find(({ type, source }) => type === 'bind' && source === path);
  if (mount !== undefined) return mount.destination;
  throw new RangeError(`Cannot move volume "${path}" with container "${id}": it is the source of none of its mounts`);
}

async function dumpByRuntime<T>(
  { found, path, criu: named, options }: VesselPlan,
  use: (by: Dumping) => Promise<T>,
): Promise<T> {
  const { id, runtime: name, root, state } = found;
  const driver = await driverOf({ runtime: name, root, ...defined({ path, criu: named }) });
  const { path: criu } = await locate({ criu: named });
  const forget = [driver.file, ...driver.global, 'delete', id];
  await using scratch = await openScratch('moved');
  const folder = scratch.path;
  const network = await open(`/proc/${state.pid}/ns/net`, 'r');
  let result: { readonly value: T } | { readonly error: unknown } | undefined;
  const carryOut = async (asked: SeatedRequest): Promise<void> => {
    try {
      const place = { folder, network: `/proc/${process.pid}/fd/${network.fd}`, forget };
      result = { value: await dumpFor(asked, place, use) };
    } catch (error) {
      result = { error };
    }
  };
  const where = { imagesDirectory: folder, workDirectory: folder };
  const words = wordsOf({ ...options, ...where }, driver.runtime.checkpoint, { runtime: name, verb: 'checkpoint' });
  const invocation = invocationOf(driver, ['checkpoint', ...words, id]);
  try {
    const quiet = { signal: new AbortController().signal, emit() {} };
    const deputy = { request: 'DUMP', carryOut } as const;
    const end = await invoke(invocation, (call) => runSeated({ ...call, criu, deputy }, quiet));
    if (result === undefined) {
      if (end.failure !== undefined) throw end.failure.error;
      expectDone(invocation, end);
      throw noDump(id);
    }
    if ('error' in result) throw result.error;
    return result.value;
  } finally {
    await network.close();
  }
}

interface Place {
  /** The runtime's images directory. */
  readonly folder: string;
  readonly network: string;
  readonly forget: readonly string[];
}

async function dumpFor<T>(
  asked: SeatedRequest,
  { folder, network, forget }: Place,
  use: (by: Dumping) => Promise<T>,
): Promise<T> {
  let session: SeatedSession | undefined;
  try {
    // By its freezer CRIU looks again after 100 ms whether all stand still, which is mostly all of the time that this takes. Without it each
    // task is stopped by itself, as in every other migration.
    const { freeze_cgroup: _freezer, ...opts } = await dumpOpts(asked.request.opts);
    const descriptors = await readFile(join(folder, 'descriptors.json'), 'utf8').catch(() => '[]');
    const begin = async (): Promise<OpenGround> => {
      const ground = await openSeatedGround(asked, opts);
      session = ground.session;
      return ground;
    };
    const value = await use({ open: begin, descriptors, network, forget });
    answer(asked, session?.answer ?? failed(asked.request, undefined));
    return value;
  } catch (error) {
    const said = session?.answer;
    answer(asked, said?.success === false ? said : failed(asked.request, error));
    throw error;
  }
}

// A runtime that was killed meanwhile has left the state of a container that is not here any more.
async function forgetHere({ id, operations, state: { pid } }: FoundContainer): Promise<void> {
  await ended(pid);
  const left = await operations.state(id).catch(() => undefined);
  // Another one of that name is not ours. A state that cannot be removed says "stopped", which is true.
  if (left?.status === 'stopped' && (left.pid === 0 || left.pid === pid))
    await operations.delete(id, { force: true }).catch(() => {});
}

async function ended(pid: number): Promise<void> {
  try {
    using root = pidfdOpen(pid);
    await waitExit(root).done;
  } catch {
    // ESRCH: which is what would be waited for.
  }
}

function noDump(id: string): CheckpointError<'RUNTIME_REFUSED'> {
  const message = `Cannot migrate container "${id}": its runtime has asked for no dump`;
  return new CheckpointError('RUNTIME_REFUSED', message, { runtime: '', command: 'checkpoint', status: 0, errors: [] });
}

function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
