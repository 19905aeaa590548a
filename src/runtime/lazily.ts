// As criu/lazily.ts: offered by the entry point without being loaded.

import type * as Containers from './containers.js';

export const containers: typeof Containers.containers = async (...given) =>
  (await import('./containers.js')).containers(...given);
