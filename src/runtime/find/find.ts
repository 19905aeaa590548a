// A container that somebody else has started, by its id: which runtime's it is, where that keeps its state, and what it is made of.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type ContainersCall, containers } from '../containers.js';
import type { CheckpointOperations, Container, ContainerOperations } from '../operations.js';
import { assertId } from '../operations.js';
import type { Abortable } from '../options.js';
import { knownRoots, type Place, placesIn, type RuntimeName } from './roots.js';
import { type ContainerWorld, worldOf } from './world.js';

export interface FindCall extends Abortable {
  /** Where to look, and nowhere else. Default: the roots of runc, crun, Podman, CRI-O, containerd and Docker. */
  readonly roots?: readonly string[];
  /** The program of a runtime that is not found by itself. */
  readonly paths?: Readonly<Partial<Record<RuntimeName, string>>>;
  /** Path of the CRIU to use. */
  readonly criu?: string;
}

export interface FoundContainer extends Place, ContainerWorld {
  /** As its runtime says now. */
  readonly state: Container;
  /** Of its runtime, at its root. */
  readonly operations: ContainerOperations | (ContainerOperations & CheckpointOperations);
}

/**
 * The container with that id, or the only one whose id begins so. Rejects with EMPTY_ID, NO_SUCH_CONTAINER (also when there are several:
 * they are in `detail`), RUNTIME_MISSING, RUNTIME_REFUSED, IO and ABORTED.
 */
export async function findContainer(id: string, call: FindCall = {}): Promise<FoundContainer> {
  assertId(id);
  const roots = call.roots ?? (await knownRoots());
  const place = chosen(id, await placesIn(roots), roots);
  const operations = await containersAt(place, call);
  const state = await operations.state(place.id, call.signal === undefined ? {} : { signal: call.signal });
  return { ...place, ...(await worldOf(state, place.root)), state, operations };
}

/** Every container with a state in one of the roots, of whatever runtime. */
export async function findContainers({ roots }: Pick<FindCall, 'roots'> = {}): Promise<readonly Place[]> {
  return placesIn(roots ?? (await knownRoots()));
}

function chosen(id: string, places: readonly Place[], roots: readonly string[]): Place {
  const exact = places.filter((place) => place.id === id);
  const matching = exact.length > 0 ? exact : places.filter((place) => place.id.startsWith(id));
  const [first, ...others] = matching;
  if (first !== undefined && others.length === 0) return first;
  const candidates = matching.map((place) => `${place.root}/${place.id}`);
  const why =
    first === undefined
      ? `none has that id in ${roots.join(', ')}`
      : `${matching.length} are meant by it: ${candidates.join(', ')}`;
  throw new CheckpointError('NO_SUCH_CONTAINER', `Cannot find container "${id}": ${why}`, { id, roots, candidates });
}

function containersAt({ runtime, root }: Place, { paths, criu }: FindCall): ReturnType<typeof containers> {
  const path = paths?.[runtime];
  const call: ContainersCall = {
    runtime,
    root,
    ...(path !== undefined && { path }),
    ...(criu !== undefined && { criu }),
  };
  return containers(call);
}
