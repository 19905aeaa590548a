// While CRIU holds the frozen tree: the commit, with what has to happen around it, and what CRIU is told then.

import { resolve } from 'node:path';
import { switchNetwork } from '../network/switch.js';
import { connectControl } from '../wire/connect.js';
import { Commit, type Outcome } from './commit.js';
import type { Fence } from './fence.js';
import type { Guardian } from './guarded.js';
import type { LeftBehind } from './left-behind.js';
import { DEFAULTS, type Opened } from './opened.js';

export interface Deciding {
  readonly run: Opened;
  readonly left: LeftBehind | undefined;
  readonly fence: Fence;
  readonly guardian: Guardian;
  /** What has to be run when the tree lives there; known when its dump has begun. */
  readonly forget: () => readonly string[] | undefined;
}

export interface Decision {
  /** All of the tree is on its way, or is left behind. */
  decide(): Promise<'kill' | 'resume'>;
  /** Afterwards. */
  readonly outcome: Outcome | undefined;
  readonly commit: Commit;
}

export function openDecision({ run, left, fence, guardian, forget }: Deciding): Decision {
  const { plan, work, link, begun, id } = run;
  const { options, to, security } = plan;
  const { networkSwitch, rescueTo } = options;
  const late = new AbortController();
  let gone = false;
  let outcome: Outcome | undefined;
  const commit = new Commit({
    id,
    channel: link.channel,
    fence,
    beforeFence: async () => {
      const forgotten = forget();
      if (left !== undefined) guardian.entrust(left.images);
      await guardian.charge({
        id,
        to,
        security,
        pids: fence.pids,
        patienceMs: options.guardianPatienceMs ?? DEFAULTS.guardianPatienceMs,
        ...(typeof networkSwitch === 'string' ? { networkSwitch } : {}),
        ...(forgotten === undefined ? {} : { forget: forgotten }),
        ...(rescueTo === undefined ? {} : { rescueTo: resolve(rescueTo) }),
      });
      gone = true;
      await switchNetwork(networkSwitch, 'leave');
    },
    reconnect: async () => (await connectControl({ to, security, signal: NEVER })).channel,
    signal: AbortSignal.any([work.signal, late.signal]),
    feeding: () => left?.feeding === true,
    onState: (state, waiting) => {
      // Of `serving` fill.ts tells.
      if (state === 'serving') return;
      const phase = waiting ? 'undecided' : state === 'committing' ? 'committing' : 'restoring';
      work.emit({ phase, elapsedMs: performance.now() - begun });
    },
  });
  return {
    async decide() {
      const timer = setTimeout(() => late.abort(new Error(`it took longer than ${RESTORE_MS} ms`)), RESTORE_MS);
      await link.channel.send({ type: 'restore' });
      outcome = await commit.outcome().finally(() => clearTimeout(timer));
      if (outcome.kind === 'moved') {
        // Whoever takes over from now on finds a copy that has run.
        if (!outcome.whole) await guardian.serving();
        return 'kill';
      }
      // A tree without its address is better than none: what failed is told instead of a failure to come back.
      if (gone) await switchNetwork(networkSwitch, 'return').catch(() => {});
      return 'resume';
    },
    get outcome() {
      return outcome;
    },
    commit,
  };
}

// How long the tree may stand still for a restore that does not come to its end, such as one that waits for a lock that the frozen tree
// holds on a file system that both hosts share.
const RESTORE_MS = 60_000;
const NEVER = new AbortController().signal;
