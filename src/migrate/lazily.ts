// As src/criu/lazily.ts: what the entry point offers without loading it.

import type * as Receive from './receive.js';

export const receive: typeof Receive.receive = async (...given) => (await import('./receive.js')).receive(...given);
