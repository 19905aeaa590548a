// Serving a runtime's CRIUs, one after the other, for as long as the runtime runs. What a service could not do its runtime has been
// told; the failure is kept for whoever wants to know more than the runtime says.

import type { Work } from '../../criu/operation.js';
import type { CaptureProgress } from '../../criu/progress.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Seat } from './seat.js';
import { type Deputy, type Service, serveSeated } from './serve.js';

export interface Attending {
  readonly seat: Seat;
  /** Path of the real CRIU. */
  readonly criu: string;
  readonly deputy?: Deputy | undefined;
  /** Aborted when the runtime has ended: no CRIU will come any more. */
  readonly ended: AbortSignal;
}

export interface Attended {
  readonly services: readonly Service[];
  /** The first. */
  readonly failure?: { readonly error: unknown };
}

/** Resolves when the runtime has ended and nothing of ours is under way. Never rejects. */
export async function attend({ seat, criu, deputy, ended }: Attending, work: Work<CaptureProgress>): Promise<Attended> {
  const services: Service[] = [];
  let failure: Attended['failure'];
  for (;;) {
    try {
      const seated = await seat.next(ended);
      services.push(await serveSeated({ seated, criu, deputy }, work));
    } catch (error) {
      if (ended.aborted && CheckpointError.is(error, 'ABORTED'))
        return { services, ...(failure !== undefined && { failure }) };
      failure ??= { error };
    }
  }
}
