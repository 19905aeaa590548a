// The destination's half of the commit: see source.ts. It decides: the copy runs when, and only when, `go` has come while it was held.
//
//   receiving ── restore ──▶ restoring ── held ──▶ prepared ── go ──▶ resuming ── resumed ──▶ running ── done ──▶ settled
//       │                        │                    │            failed │ │ lacking           ▲
//       └────── anything wrong ──┴────────────────────┴──▶ gone ◀─────────┘ └──▶ filling ─ filled ┘
//                                                           ▲                       │ broken
//                                                           └───────────────────────┘
//
// Until `go` it may give up by itself at any time, and it answers a question by giving up: the source resumes only when it is told so. A copy that
// lacks pages (docs/adr/0014) runs in `filling`; when it cannot have them any more it is ended by whoever fills it, before this is told.

export type DestinationState =
  | 'receiving'
  | 'restoring'
  | 'prepared'
  | 'resuming'
  | 'filling'
  | 'running'
  | 'settled'
  | 'gone';

export type DestinationEvent =
  | { readonly kind: 'restore' }
  /** CRIU has made all of the tree and holds it before its first instruction. */
  | { readonly kind: 'held' }
  | { readonly kind: 'go' }
  /** CRIU has answered: the tree runs. */
  | { readonly kind: 'resumed' }
  /** The same, and pages are still at the source. */
  | { readonly kind: 'lacking' }
  /** All of them are here. */
  | { readonly kind: 'filled' }
  /** They cannot be had any more, and no task of the copy is left. */
  | { readonly kind: 'broken' }
  /** Whatever went wrong here; nothing of the tree is left. */
  | { readonly kind: 'failed' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'lost' }
  /** The source came back and wants to know. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'done' };

export type DestinationEffect =
  | 'start-restore'
  /** From now on somebody else can answer for us: before the source can be told anything that makes it wait. */
  | 'record'
  | 'send-prepared'
  | 'resume'
  /** Returns when no task of the copy is left. */
  | 'remove'
  | 'send-running'
  | 'send-lacking'
  /** That the copy needs the source no more: whoever answers for us must know before the source does. */
  | 'record-filled'
  | 'send-gone';

export interface DestinationStep {
  readonly state: DestinationState;
  /** In this order; a step that crashes in the middle has done a prefix of them. */
  readonly effects: readonly DestinationEffect[];
}

export function stepDestination(state: DestinationState, event: DestinationEvent): DestinationStep {
  switch (state) {
    case 'receiving':
      return event.kind === 'restore' ? { state: 'restoring', effects: ['start-restore'] } : beforeGo(state, event);
    case 'restoring':
      return event.kind === 'held'
        ? { state: 'prepared', effects: ['record', 'send-prepared'] }
        : beforeGo(state, event);
    case 'prepared':
      return event.kind === 'go' ? { state: 'resuming', effects: ['resume'] } : beforeGo(state, event);
    case 'resuming':
      return resuming(event);
    case 'filling':
      return filling(event);
    case 'running':
      if (event.kind === 'done') return { state: 'settled', effects: [] };
      return { state, effects: event.kind === 'ask' ? ['send-running'] : [] };
    case 'settled':
      return { state, effects: event.kind === 'ask' ? ['send-running'] : [] };
    default:
      return { state, effects: event.kind === 'ask' ? ['send-gone'] : [] };
  }
}

function beforeGo(state: 'receiving' | 'restoring' | 'prepared', event: DestinationEvent): DestinationStep {
  switch (event.kind) {
    case 'abort':
    case 'lost':
      return { state: 'gone', effects: ['remove'] };
    case 'failed':
    case 'ask':
      return { state: 'gone', effects: ['remove', 'send-gone'] };
    default:
      return { state, effects: [] };
  }
}

// A question is answered when it is known how this ends.
function resuming(event: DestinationEvent): DestinationStep {
  switch (event.kind) {
    case 'resumed':
      return { state: 'running', effects: ['send-running'] };
    case 'lacking':
      return { state: 'filling', effects: ['send-lacking'] };
    case 'failed':
      return { state: 'gone', effects: ['remove', 'send-gone'] };
    default:
      return { state: 'resuming', effects: [] };
  }
}

function filling(event: DestinationEvent): DestinationStep {
  switch (event.kind) {
    case 'filled':
      return { state: 'running', effects: ['record-filled', 'send-running'] };
    case 'broken':
      return { state: 'gone', effects: ['send-gone'] };
    case 'ask':
      return { state: 'filling', effects: ['send-lacking'] };
    default:
      return { state: 'filling', effects: [] };
  }
}

/** Whether the copy could run in this state. */
export function runsAtDestination(state: DestinationState): boolean {
  return state === 'resuming' || state === 'filling' || state === 'running' || state === 'settled';
}
