// A restore of a runtime with its pages behind it: the runtime's request, told to CRIU as a lazy one. crun has no option for that, and runc's says
// nothing else, so it is done here for both. CRIU works in the directory of the service, where it looks for the socket.

import { join } from 'node:path';
import type { BegunLazily } from '../../criu/lazy/begin.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import { encodeRequest } from '../../schema/rpc-codec.js';
import { forward, relay } from './relay.js';
import { reopened } from './request.js';
import { becomeCriu } from './seat.js';
import type { SeatedRequest } from './seated-request.js';
import type { Deputy } from './serve.js';

const RESTORE_STATS = 'stats-restore';
const LOG = 'restore.log';

/** `path`: of the service's directory. The service stays the caller's. What CRIU has logged lies in the runtime's work directory afterwards. */
export function lazyDeputy(begun: BegunLazily, path: string): Deputy {
  return { request: 'RESTORE', carryOut: (asked) => restoreLazily(asked, begun, path) };
}

async function restoreLazily({ seated, request }: SeatedRequest, begun: BegunLazily, path: string): Promise<void> {
  await using held = new Held();
  const { opts = request.opts } = await reopened(seated.asker, request, held);
  // As the runtime sees it: CRIU mounts in there, which only works in mounts of its own namespace.
  const work = held.use(await openDirectory(join(`/proc/${seated.asker}/root`, path)));
  const lazily = { ...opts, lazy_pages: true, work_dir_fd: work.number };
  const criu = held.use(becomeCriu(seated));
  forward(criu, { bytes: encodeRequest({ ...request, opts: lazily }), fds: [] });
  // A CRIU whose service has failed may wait for it for ever: it loses its client.
  await relay({ runtime: seated.runtime, criu, signal: begun.lost }).finally(() =>
    begun.keep([opts.log_file ?? LOG, RESTORE_STATS]),
  );
}
