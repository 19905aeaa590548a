// The source's half of the commit, as a pure machine: what it has been told goes in, what to do comes out. docs/adr/0010 has the
// states of both halves and why there can be neither two live copies nor none; test/unit/migrate/commit.test.ts drives every
// interleaving of both through every loss and crash.
//
//   copying ── frozen ──▶ frozen ── prepared ──▶ committing ── running ──▶ done       (the tree is killed)
//      │                    │                     │      │                  ▲
//      │                    │                gone │      └ lacking ▶ serving ┴ gone, silent ▶ broken
//      └── anything wrong ──┴──────▶ aborted ◀────┘                                  (the tree runs on)
//
// In `committing` the source waits, for as long as it takes: only the destination knows whether the copy runs. Neither a lost
// connection nor an abort may end that wait; it asks again.
//
// With pages left behind (docs/adr/0014) the copy runs and lacks them: the tree is killed and its pages are served from here, out of what the
// final dump has left. A copy that can have them no more is ended there. When that is known before the tree is killed it runs on here;
// afterwards its last state is kept in files (`broken`).

export type SourceState = 'copying' | 'frozen' | 'committing' | 'serving' | 'done' | 'aborted' | 'broken';

export type SourceEvent =
  /** The tree is frozen by the final dump, and all of it is on its way. */
  | { readonly kind: 'frozen' }
  /** The destination holds the restored tree, stopped. */
  | { readonly kind: 'prepared' }
  /** The copy runs, and needs nothing from here. */
  | { readonly kind: 'running' }
  /** The copy runs, and is being given the pages that it lacks. */
  | { readonly kind: 'lacking' }
  /** The copy runs, and lacks pages that nobody gives it any more: the destination is about to end it. */
  | { readonly kind: 'dying' }
  /** The destination has no copy, and will not make one: what it says of a copy that it has removed. */
  | { readonly kind: 'gone' }
  /** A destination that knows nothing of this migration, which proves nothing. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'lost' }
  /** A copy that lacks pages is at a destination that has not answered for long. */
  | { readonly kind: 'silent' }
  /** A connection is there again. */
  | { readonly kind: 'connected' }
  /** The caller, a failing dump, a full disk, whatever ends it here. */
  | { readonly kind: 'abort' };

export type SourceEffect =
  /** Before `go` leaves: whatever happens to us now, the tree stays stopped until somebody decides. */
  | 'fence'
  | 'send-go'
  | 'send-abort'
  | 'kill'
  | 'resume'
  /** Connect, as often as it takes. */
  | 'connect'
  | 'send-ask'
  /** Writes what the final dump has left to where it stays. */
  | 'keep'
  /** That we know how it ended, so that nobody need be there to be asked. */
  | 'send-done';

export interface SourceStep {
  readonly state: SourceState;
  /** In this order; a step that crashes in the middle has done a prefix of them. */
  readonly effects: readonly SourceEffect[];
}

export function stepSource(state: SourceState, event: SourceEvent): SourceStep {
  switch (state) {
    case 'copying':
      return event.kind === 'frozen' ? { state: 'frozen', effects: [] } : beforeGo(state, event);
    case 'frozen':
      return event.kind === 'prepared'
        ? { state: 'committing', effects: ['fence', 'send-go'] }
        : beforeGo(state, event);
    case 'committing':
      return undecided(event);
    case 'serving':
      return serving(event);
    default:
      return { state, effects: [] };
  }
}

function beforeGo(state: 'copying' | 'frozen', event: SourceEvent): SourceStep {
  switch (event.kind) {
    case 'abort':
      return { state: 'aborted', effects: ['send-abort', 'resume'] };
    case 'lost':
    case 'gone':
      return { state: 'aborted', effects: ['resume'] };
    default:
      return { state, effects: [] };
  }
}

function undecided(event: SourceEvent): SourceStep {
  switch (event.kind) {
    case 'running':
      return { state: 'done', effects: ['kill', 'send-done'] };
    case 'gone':
      return { state: 'aborted', effects: ['resume', 'send-done'] };
    case 'lacking':
      return { state: 'serving', effects: ['kill'] };
    case 'dying':
    case 'lost':
    case 'unknown':
      return { state: 'committing', effects: ['connect'] };
    case 'connected':
      return { state: 'committing', effects: ['send-ask'] };
    default:
      return { state: 'committing', effects: [] };
  }
}

function serving(event: SourceEvent): SourceStep {
  switch (event.kind) {
    case 'running':
      return { state: 'done', effects: ['send-done'] };
    case 'gone':
      return { state: 'broken', effects: ['keep', 'send-done'] };
    case 'silent':
      return { state: 'broken', effects: ['keep'] };
    case 'dying':
    case 'lost':
    case 'unknown':
      return { state: 'serving', effects: ['connect'] };
    case 'connected':
      return { state: 'serving', effects: ['send-ask'] };
    default:
      return { state: 'serving', effects: [] };
  }
}

/** Whether the tree could run here in this state. */
export function runsAtSource(state: SourceState): boolean {
  return state === 'copying' || state === 'aborted';
}
