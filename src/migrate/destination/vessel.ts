// What a tree arrives in: nothing, or a container, for which this host must have been given a place.

import type { Arrival as ContainerArrival } from '../../runtime/moved/arrival.js';
import type { MovedContainer } from '../wire/container-messages.js';
import type { ContainerDestination } from './options.js';

export interface ArrivedContainer {
  readonly id: string;
  readonly runtime: 'runc' | 'crun';
  readonly bundle: string;
}

export interface AcceptedVessel extends AsyncDisposable {
  readonly container: ContainerArrival | undefined;
}

export interface VesselRequest {
  readonly moved: MovedContainer | undefined;
  readonly place: ContainerDestination | undefined;
  readonly criu: string | undefined;
}

const NO_CONTAINER = { container: undefined, [Symbol.asyncDispose]: async () => {} };

/** Never rejects. Loads what is of containers when the first one comes. */
export async function openVessel({
  moved,
  place,
  criu,
}: VesselRequest): Promise<AcceptedVessel | { readonly refusal: string }> {
  if (moved === undefined) return NO_CONTAINER;
  if (place === undefined) return { refusal: 'no place for a container was given here (--bundle DIR)' };
  try {
    const { openArrival } = await import('../../runtime/moved/arrival.js');
    const container = await openArrival({ moved, place, criu });
    return { container, [Symbol.asyncDispose]: () => container[Symbol.asyncDispose]() };
  } catch (error) {
    return { refusal: error instanceof Error ? error.message : String(error) };
  }
}

/** What is told of it. */
export function arrivedOf(container: ContainerArrival | undefined): { readonly container?: ArrivedContainer } {
  if (container === undefined) return {};
  const { id, runtime, bundle } = container;
  return { container: { id, runtime, bundle } };
}
