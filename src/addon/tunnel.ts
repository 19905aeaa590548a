// A plain connection through an encrypted one (native/transfer/tunnel.h).

import { type Job, type JobOptions, runJob } from './job.js';
import { native } from './load.js';
import type { NativeTunnel } from './native-pages.js';

/** To the end of either connection, which ends the other; consumes both sockets. IO with EBADMSG (not sealed with the peer's key) or EPROTO. */
export function runTunnel(what: NativeTunnel, options: JobOptions = {}): Job<void> {
  return runJob('carry pages through the tunnel', options, () => native().runTunnel(what));
}
