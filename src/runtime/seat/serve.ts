// One CRIU that a runtime has started, from its first message to its end. A dump goes through the page plane; everything else is
// relayed, with the fds of the request opened anew.

import { type Message, receive } from '../../addon/sockets.js';
import type { CaptureReport } from '../../criu/capture-report.js';
import type { Work } from '../../criu/operation.js';
import type { CaptureProgress } from '../../criu/progress.js';
import { Held } from '../../images/held.js';
import type { CriuOpts, CriuRequest, CriuRequestType } from '../../schema/rpc.js';
import { decodeRequest, encodeRequest } from '../../schema/rpc-codec.js';
import { isOurs, seatedDump } from './dump.js';
import { dumpOpts, isDump } from './dump-opts.js';
import { forward, relay } from './relay.js';
import { reopened } from './request.js';
import { becomeCriu, type Seated } from './seat.js';
import type { SeatedRequest } from './seated-request.js';

export type Service =
  | { readonly kind: 'dumped'; readonly report: CaptureReport }
  | { readonly kind: 'relayed' | 'carried-out'; readonly request: CriuRequestType | { readonly raw: number } }
  /** The runtime left before it had asked for anything. */
  | { readonly kind: 'nothing' };

/** Who carries out a request of this kind instead, and answers the runtime (seated-request.ts). */
export interface Deputy {
  readonly request: 'DUMP' | 'RESTORE';
  carryOut(asked: SeatedRequest): Promise<void>;
}

export interface Serving {
  readonly seated: Seated;
  /** Path of the real CRIU. */
  readonly criu: string;
  readonly deputy?: Deputy | undefined;
}

/** Disposes of `seated`. Rejects as dump() does, with IO and with PROTOCOL; the runtime has been told by then. */
export async function serveSeated({ seated, criu, deputy }: Serving, work: Work<CaptureProgress>): Promise<Service> {
  using _seated = seated;
  const first = await receive(seated.runtime, { signal: work.signal }).done;
  if (first === undefined) return { kind: 'nothing' };
  const request = decodeRequest(first.bytes);
  if (hasOpts(request) && deputy?.request === request.type) {
    await deputy.carryOut({ seated, request, criu });
    return { kind: 'carried-out', request: request.type };
  }
  if (isOurs(request) && hasOpts(request))
    return { kind: 'dumped', report: await seatedDump({ seated, request, criu }, work) };
  await pass({ seated, request, first }, work.signal);
  return { kind: 'relayed', request: request.type };
}

function hasOpts(request: CriuRequest): request is CriuRequest & { readonly opts: CriuOpts } {
  return request.opts !== undefined;
}

interface Passing {
  readonly seated: Seated;
  readonly request: CriuRequest;
  readonly first: Message;
}

// What was opened stays so until CRIU has ended: it opens it in its own time.
async function pass({ seated, request, first }: Passing, signal: AbortSignal): Promise<void> {
  await using held = new Held();
  const completed = isDump(request) && hasOpts(request) ? { ...request, opts: await dumpOpts(request.opts) } : request;
  const ours = await reopened(seated.asker, completed, held);
  const criu = held.use(becomeCriu(seated));
  forward(criu, { bytes: encodeRequest(ours), fds: first.fds });
  await relay({ runtime: seated.runtime, criu, signal });
}
