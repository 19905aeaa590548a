// What a tree lives in that has to come along: a container. Who moves one (src/runtime/moved) says so here, and migrating.ts asks for it at
// its time.

import type { SourceChannel } from '../wire/connect.js';
import type { MovedContainer } from '../wire/container-messages.js';
import type { OpenGround } from './ground.js';

export interface Vessel {
  /** What the destination is told first. */
  readonly hello: MovedContainer;
  /** Sends its files while it runs. `rootThere`: the destination has a root filesystem for it. */
  move(channel: SourceChannel, rootThere: boolean): Promise<void>;
  /** Whether its dump makes files among them (link_remap). */
  readonly makesLinks: boolean;
  /** Sends what has changed in them since; at last while it is frozen. */
  catchUp(channel: SourceChannel): Promise<void>;
  /**
   * Has its runtime dump it, and gives `use` the conversation with the runtime's CRIU. Resolves as `use` does, when the runtime has ended;
   * rejects with RUNTIME_REFUSED when it does not come to a dump.
   */
  dump<T>(use: (by: Dumping) => Promise<T>): Promise<T>;
  /** It lives elsewhere, and its tasks here have been killed: its runtime is not to know it here. Never rejects. */
  forget(): Promise<void>;
}

export interface Dumping {
  /** A command that makes its runtime forget what lives elsewhere: for whoever outlives us. */
  readonly forget: readonly string[];
  /** Lets its CRIU begin. */
  readonly open: () => Promise<OpenGround>;
  /** Of the runtime: what its restore needs to know besides images. */
  readonly descriptors: string;
  /** The network namespace, by a path that stays good when the container has gone. */
  readonly network: string;
}
