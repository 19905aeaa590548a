// Both halves of the commit, what is on the way between them, and the facts of the trees, as one value; and every step that it can take.
// What is modelled:
//
//   - one connection at a time; messages of one direction keep their order; a connection may break at any moment, with what is on
//     the way lost; each end learns of it whenever it looks
//   - a crash is the SIGKILL of either end between any two effects, and within a step, once for each. What a killed end leaves is what
//     its guardian finds: at the source the fence (without it CRIU resumes the tree, with it the guardian goes on asking), at the
//     destination a copy that CRIU has let run or removed, and the record (without it there is nobody to ask: 'absent')
//   - an abort by the caller, and a failure at the destination, at any moment
//   - of a migration that leaves pages behind: their connection, which breaks at any moment and with a crash of either end; a copy that lacks
//     pages then ends, and is told of afterwards. The guardian of the source has what the dump has left, and keeps it, too

import {
  type DestinationEffect,
  type DestinationEvent,
  type DestinationState,
  stepDestination,
} from '../../src/migrate/protocol/destination.js';
import {
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  stepSource,
} from '../../src/migrate/protocol/source.js';

export interface World {
  readonly source: SourceState;
  /** `absent`: nobody listens there any more. */
  readonly destination: DestinationState | 'absent';
  /** Effects that a step has still to do. */
  readonly sourceTodo: readonly SourceEffect[];
  readonly destinationTodo: readonly DestinationEffect[];
  readonly toDestination: readonly string[];
  readonly toSource: readonly string[];
  /** Which ends still see the connection. Messages pass only while both do. */
  readonly sourceUp: boolean;
  readonly destinationUp: boolean;
  /** What of the trees: the facts, not what anybody believes. */
  readonly sourceTree: 'runs' | 'frozen' | 'fenced' | 'killed';
  readonly copy: 'none' | 'making' | 'held' | 'runs';
  readonly recorded: boolean;
  readonly sourceCrashed: boolean;
  readonly destinationCrashed: boolean;
  readonly breaks: number;
  /** Of pages that are left behind: whether the copy lacks them, whether they can be had, and what became of them at the source. */
  readonly lacks: boolean;
  readonly feed: 'up' | 'broken';
  readonly left: 'nothing' | 'held' | 'kept' | 'dropped';
  /** The destination's guardian knows that the copy lacks nothing. */
  readonly filledRecorded: boolean;
}

export const START: World = {
  source: 'copying',
  destination: 'receiving',
  sourceTodo: [],
  destinationTodo: [],
  toDestination: [],
  toSource: [],
  sourceUp: true,
  destinationUp: true,
  sourceTree: 'runs',
  copy: 'none',
  recorded: false,
  sourceCrashed: false,
  destinationCrashed: false,
  breaks: 0,
  lacks: false,
  feed: 'broken',
  left: 'nothing',
  filledRecorded: false,
};
export const START_LEAVING: World = { ...START, lacks: true, feed: 'up', left: 'held' };
const MAX_BREAKS = 3;

const MESSAGE_OF: Partial<Record<SourceEffect | DestinationEffect, string>> = {
  'send-go': 'go',
  'send-abort': 'abort',
  'send-ask': 'ask',
  'send-done': 'done',
  'send-prepared': 'prepared',
  'send-running': 'running',
  'send-lacking': 'lacking',
  'send-gone': 'gone',
};

export function sourceSees(world: World, event: SourceEvent): World {
  const { state, effects } = stepSource(world.source, event);
  const over = world.left === 'held' && (state === 'done' || state === 'aborted');
  const frozen = event.kind === 'frozen' && state === 'frozen';
  return {
    ...world,
    source: state,
    sourceTodo: [...world.sourceTodo, ...effects],
    ...(over ? { left: 'dropped' } : {}),
    ...(frozen ? { sourceTree: 'frozen', toDestination: [...world.toDestination, 'restore'] } : {}),
  };
}

export function destinationSees(world: World, event: DestinationEvent): World {
  if (world.destination === 'absent') return world;
  const { state, effects } = stepDestination(world.destination, event);
  return { ...world, destination: state, destinationTodo: [...world.destinationTodo, ...effects] };
}

export function doSource(world: World): World {
  const [effect, ...rest] = world.sourceTodo;
  const next = { ...world, sourceTodo: rest };
  const message = effect === undefined ? undefined : MESSAGE_OF[effect];
  if (message !== undefined)
    return world.sourceUp ? { ...next, toDestination: [...world.toDestination, message] } : next;
  switch (effect) {
    case 'fence':
      return { ...next, sourceTree: 'fenced' };
    case 'kill':
      return { ...next, sourceTree: 'killed' };
    case 'resume':
      return { ...next, sourceTree: 'runs' };
    case 'keep':
      return { ...next, left: 'kept' };
    case 'connect':
      // As often as it takes: for ever, if nobody is there, unless all that is at stake is what was left behind.
      if (world.destination === 'absent')
        return world.source === 'serving' ? sourceSees(next, { kind: 'silent' }) : world;
      // A new connection: the old one is closed, at both ends, before anything is said on the new one.
      return sourceSees(
        { ...next, sourceUp: true, destinationUp: true, toDestination: [], toSource: [] },
        {
          kind: 'connected',
        },
      );
    default:
      return next;
  }
}

export function doDestination(world: World): World {
  const [effect, ...rest] = world.destinationTodo;
  const next = { ...world, destinationTodo: rest };
  const message = effect === undefined ? undefined : MESSAGE_OF[effect];
  if (message !== undefined) return world.destinationUp ? { ...next, toSource: [...world.toSource, message] } : next;
  switch (effect) {
    case 'start-restore':
      return { ...next, copy: 'making' };
    case 'record':
      return { ...next, recorded: true };
    case 'record-filled':
      return { ...next, filledRecorded: true };
    case 'resume':
      return { ...next, copy: 'runs' };
    case 'remove':
      return { ...next, copy: 'none' };
    default:
      return next;
  }
}

function crashSource(world: World): World {
  // Killed: CRIU resumes a tree that is not fenced. The guardian goes on with one that is, from what is known: nothing is decided.
  const feed = world.lacks ? ('broken' as const) : world.feed;
  const gone = { ...world, feed, sourceTodo: [], sourceUp: false, sourceCrashed: true };
  // The guardian was told before CRIU was told to kill.
  if (world.source === 'serving') return { ...gone, sourceTree: 'killed', sourceTodo: ['connect'] };
  if (world.source === 'broken') return { ...gone, left: 'kept' };
  if (world.sourceTree === 'fenced') return { ...gone, source: 'committing', sourceTodo: ['connect'] };
  const runs = world.sourceTree === 'killed' ? 'killed' : 'runs';
  const source = world.sourceTree === 'killed' ? 'done' : 'aborted';
  return { ...gone, sourceTree: runs, source };
}

function crashDestination(world: World): World {
  const gone = { ...world, destinationTodo: [], destinationUp: false, destinationCrashed: true };
  // The service that fills ends with the receiver, and the copy with it; of one of which it cannot be sure the guardian makes an end.
  if (world.copy === 'runs' && world.left !== 'nothing' && !world.filledRecorded)
    return { ...gone, feed: 'broken', destination: 'gone', copy: 'none' };
  // CRIU, which has lost its client, goes on with a copy that had been let go, and removes any other.
  if (world.copy === 'runs') return { ...gone, destination: 'running' };
  // Who was told of the copy answers for it; of any other nobody does.
  const destination = world.recorded ? 'gone' : 'absent';
  return { ...gone, destination, copy: 'none' };
}

export function next(world: World): readonly World[] {
  const worlds: World[] = [];
  if (world.sourceTodo.length > 0) worlds.push(doSource(world));
  if (world.destinationTodo.length > 0) worlds.push(doDestination(world));
  if (!world.sourceCrashed) worlds.push(crashSource(world));
  if (!world.destinationCrashed) worlds.push(crashDestination(world));
  if (world.breaks < MAX_BREAKS && (world.sourceUp || world.destinationUp))
    worlds.push({
      ...world,
      breaks: world.breaks + 1,
      toDestination: [],
      toSource: [],
      sourceUp: false,
      destinationUp: false,
    });
  if (world.feed === 'up') worlds.push({ ...world, feed: 'broken' });
  worlds.push(...sourceMoves(world), ...destinationMoves(world), ...endings(world));
  return worlds.map(undelivered);
}

/** What ends, or is killed, closes its end of the connection; the other one sees that after what was sent before. */
export function endings(world: World): readonly World[] {
  const worlds: World[] = [];
  const ended = hasEnded(world);
  if (ended && world.sourceTodo.length === 0 && world.sourceUp)
    worlds.push({ ...world, sourceUp: false, toSource: [] });
  if (!world.sourceUp && world.destinationUp && world.toDestination.length === 0)
    worlds.push({ ...world, destinationUp: false });
  if (!world.destinationUp && world.sourceUp && world.toSource.length === 0) worlds.push({ ...world, sourceUp: false });
  return worlds;
}

/** What is sent to an end that has closed is lost. */
export function undelivered(world: World): World {
  return {
    ...world,
    toSource: world.sourceUp ? world.toSource : [],
    toDestination: world.destinationUp ? world.toDestination : [],
  };
}

function sourceMoves(world: World): readonly World[] {
  // A step ends before the next event is looked at.
  if (world.sourceTodo.length > 0) return [];
  const worlds: World[] = [];
  if (world.source === 'copying') worlds.push(sourceSees(world, { kind: 'frozen' }));
  if (!hasEnded(world)) worlds.push(sourceSees(world, { kind: 'abort' }));
  if (!world.sourceUp && world.toSource.length === 0) worlds.push(sourceSees(world, { kind: 'lost' }));
  const [message, ...rest] = world.toSource;
  if (world.sourceUp && message !== undefined)
    worlds.push(sourceSees({ ...world, toSource: rest }, eventOf(world, message)));
  return worlds;
}

function destinationMoves(world: World): readonly World[] {
  if (world.destinationTodo.length > 0) return [];
  const worlds: World[] = [];
  const { destination, copy } = world;
  if (destination === 'restoring' && copy === 'making')
    worlds.push(destinationSees({ ...world, copy: 'held' }, { kind: 'held' }));
  if (destination === 'resuming' && copy === 'runs') worlds.push(resumed(world));
  if (destination === 'filling') worlds.push(fillEnds(world));
  // In `resuming` a failure is CRIU's: it has killed what it made, and no task has run.
  if (['receiving', 'restoring', 'prepared'].includes(destination))
    worlds.push(destinationSees(world, { kind: 'failed' }));
  if (!world.destinationUp && world.toDestination.length === 0) worlds.push(destinationSees(world, { kind: 'lost' }));
  const [message, ...rest] = world.toDestination;
  if (world.destinationUp && message !== undefined)
    worlds.push(destinationSees({ ...world, toDestination: rest }, { kind: message } as DestinationEvent));
  return worlds;
}

export const hasEnded = ({ source }: World): boolean =>
  source === 'done' || source === 'aborted' || source === 'broken';

/** What the source makes of a message, knowing whether it still gives pages out. */
export function eventOf({ feed }: World, message: string): SourceEvent {
  return { kind: message === 'lacking' && feed === 'broken' ? 'dying' : message } as SourceEvent;
}

export function resumed(world: World): World {
  return destinationSees(world, { kind: world.lacks ? 'lacking' : 'resumed' });
}

export function fillEnds(world: World): World {
  if (world.feed === 'up') return destinationSees({ ...world, lacks: false }, { kind: 'filled' });
  return destinationSees({ ...world, copy: 'none' }, { kind: 'broken' });
}
