// Both halves of the commit against each other, over every interleaving of their messages, of lost connections and of crashes: a
// breadth-first walk over all states that can be reached. What is modelled:
//
//   - one connection at a time; messages of one direction keep their order; a connection may break at any moment, with what is on
//     the way lost; each end learns of it whenever it looks
//   - a crash is the SIGKILL of either end between any two effects, and within a step, once for each. What a killed end leaves is what
//     its guardian finds: at the source the fence (without it CRIU resumes the tree, with it the guardian goes on asking), at the
//     destination a copy that CRIU has let run or removed, and the record (without it there is nobody to ask: 'absent')
//   - an abort by the caller, and a failure at the destination, at any moment

import { describe, expect, it } from 'vitest';
import {
  type DestinationEffect,
  type DestinationEvent,
  type DestinationState,
  runsAtDestination,
  stepDestination,
} from '../../../src/migrate/protocol/destination.js';
import {
  runsAtSource,
  type SourceEffect,
  type SourceEvent,
  type SourceState,
  stepSource,
} from '../../../src/migrate/protocol/source.js';

interface World {
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
}

const START: World = {
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
};
const MAX_BREAKS = 3;

const MESSAGE_OF: Partial<Record<SourceEffect | DestinationEffect, string>> = {
  'send-go': 'go',
  'send-abort': 'abort',
  'send-ask': 'ask',
  'send-done': 'done',
  'send-prepared': 'prepared',
  'send-running': 'running',
  'send-gone': 'gone',
};

function sourceSees(world: World, event: SourceEvent): World {
  const { state, effects } = stepSource(world.source, event);
  const frozen = event.kind === 'frozen' && state === 'frozen';
  return {
    ...world,
    source: state,
    sourceTodo: [...world.sourceTodo, ...effects],
    ...(frozen ? { sourceTree: 'frozen', toDestination: [...world.toDestination, 'restore'] } : {}),
  };
}

function destinationSees(world: World, event: DestinationEvent): World {
  if (world.destination === 'absent') return world;
  const { state, effects } = stepDestination(world.destination, event);
  return { ...world, destination: state, destinationTodo: [...world.destinationTodo, ...effects] };
}

function doSource(world: World): World {
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
    case 'connect':
      // As often as it takes: for ever, if nobody is there.
      if (world.destination === 'absent') return world;
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

function doDestination(world: World): World {
  const [effect, ...rest] = world.destinationTodo;
  const next = { ...world, destinationTodo: rest };
  const message = effect === undefined ? undefined : MESSAGE_OF[effect];
  if (message !== undefined) return world.destinationUp ? { ...next, toSource: [...world.toSource, message] } : next;
  switch (effect) {
    case 'start-restore':
      return { ...next, copy: 'making' };
    case 'record':
      return { ...next, recorded: true };
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
  const gone = { ...world, sourceTodo: [], sourceUp: false, sourceCrashed: true };
  if (world.sourceTree === 'fenced') return { ...gone, source: 'committing', sourceTodo: ['connect'] };
  const runs = world.sourceTree === 'killed' ? 'killed' : 'runs';
  const source = world.sourceTree === 'killed' ? 'done' : 'aborted';
  return { ...gone, sourceTree: runs, source };
}

function crashDestination(world: World): World {
  const gone = { ...world, destinationTodo: [], destinationUp: false, destinationCrashed: true };
  // CRIU, which has lost its client, goes on with a copy that had been let go, and removes any other.
  if (world.copy === 'runs') return { ...gone, destination: 'running' };
  // Who was told of the copy answers for it; of any other nobody does.
  const destination = world.recorded ? 'gone' : 'absent';
  return { ...gone, destination, copy: 'none' };
}

function next(world: World): readonly World[] {
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
  worlds.push(...sourceMoves(world), ...destinationMoves(world), ...endings(world));
  return worlds.map(undelivered);
}

/** What ends, or is killed, closes its end of the connection; the other one sees that after what was sent before. */
function endings(world: World): readonly World[] {
  const worlds: World[] = [];
  const ended = world.source === 'done' || world.source === 'aborted';
  if (ended && world.sourceTodo.length === 0 && world.sourceUp)
    worlds.push({ ...world, sourceUp: false, toSource: [] });
  if (!world.sourceUp && world.destinationUp && world.toDestination.length === 0)
    worlds.push({ ...world, destinationUp: false });
  if (!world.destinationUp && world.sourceUp && world.toSource.length === 0) worlds.push({ ...world, sourceUp: false });
  return worlds;
}

/** What is sent to an end that has closed is lost. */
function undelivered(world: World): World {
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
  if (world.source !== 'done' && world.source !== 'aborted') worlds.push(sourceSees(world, { kind: 'abort' }));
  if (!world.sourceUp && world.toSource.length === 0) worlds.push(sourceSees(world, { kind: 'lost' }));
  const [message, ...rest] = world.toSource;
  if (world.sourceUp && message !== undefined)
    worlds.push(sourceSees({ ...world, toSource: rest }, { kind: message } as SourceEvent));
  return worlds;
}

function destinationMoves(world: World): readonly World[] {
  if (world.destinationTodo.length > 0) return [];
  const worlds: World[] = [];
  const { destination, copy } = world;
  if (destination === 'restoring' && copy === 'making')
    worlds.push(destinationSees({ ...world, copy: 'held' }, { kind: 'held' }));
  if (destination === 'resuming' && copy === 'runs') worlds.push(destinationSees(world, { kind: 'resumed' }));
  // In `resuming` a failure is CRIU's: it has killed what it made, and no task has run.
  if (['receiving', 'restoring', 'prepared'].includes(destination))
    worlds.push(destinationSees(world, { kind: 'failed' }));
  if (!world.destinationUp && world.toDestination.length === 0) worlds.push(destinationSees(world, { kind: 'lost' }));
  const [message, ...rest] = world.toDestination;
  if (world.destinationUp && message !== undefined)
    worlds.push(destinationSees({ ...world, toDestination: rest }, { kind: message } as DestinationEvent));
  return worlds;
}

function explore(from: World): { readonly worlds: readonly World[]; readonly before: Map<string, World> } {
  const seen = new Map<string, World>([[JSON.stringify(from), from]]);
  const before = new Map<string, World>();
  const queue = [from];
  for (let at = 0; at < queue.length; at++) {
    const world = queue[at] as World;
    for (const each of next(world)) {
      const key = JSON.stringify(each);
      if (seen.has(key)) continue;
      seen.set(key, each);
      before.set(key, world);
      queue.push(each);
    }
  }
  return { worlds: queue, before };
}

const live = ({ sourceTree, copy }: World): number => Number(sourceTree === 'runs') + Number(copy === 'runs');

/** The way to a world, for the message of a failing test. */
function wayTo(world: World, before: Map<string, World>): string {
  const way = [world];
  for (let at = before.get(JSON.stringify(world)); at !== undefined; at = before.get(JSON.stringify(at)))
    way.unshift(at);
  return way.map((each) => JSON.stringify(each)).join('\n');
}

describe('the commit of a migration', () => {
  const { worlds, before } = explore(START);

  it('reaches all its states', () => {
    expect(new Set(worlds.map(({ source }) => source))).toEqual(
      new Set(['copying', 'frozen', 'committing', 'done', 'aborted']),
    );
    expect(new Set(worlds.map(({ destination }) => destination))).toEqual(
      new Set(['receiving', 'restoring', 'prepared', 'resuming', 'running', 'settled', 'gone', 'absent']),
    );
    expect(worlds.length).toBeGreaterThan(1000);
  });

  it('never has two live copies', () => {
    const bad = worlds.find((world) => live(world) > 1);
    expect(bad && wayTo(bad, before)).toBeUndefined();
  });

  it('never kills the source before the copy runs, nor forgets a copy that was let go', () => {
    const bad = worlds.find(({ sourceTree, copy }) => sourceTree === 'killed' && copy !== 'runs');
    expect(bad && wayTo(bad, before)).toBeUndefined();
  });

  it('has one live copy wherever nothing more can happen by itself', () => {
    // What may still come are only faults: no effect, no message, no step that somebody owes.
    const quiet = worlds.filter((world) => isQuiet(world));
    expect(quiet.length).toBeGreaterThan(10);
    const bad = quiet.find((world) => live(world) !== 1);
    expect(bad && wayTo(bad, before)).toBeUndefined();
  });

  it('can get from everywhere to one live copy without any further fault', () => {
    const ok = new Set(
      worlds.filter((world) => isQuiet(world) && live(world) === 1).map((world) => JSON.stringify(world)),
    );
    const stuck = worlds.find((world) => !settles(world, ok));
    expect(stuck && wayTo(stuck, before)).toBeUndefined();
  });

  it('agrees with what each half believes', () => {
    const bad = worlds.find(
      (world) =>
        world.sourceTodo.length === 0 &&
        runsAtSource(world.source) !== (world.sourceTree === 'runs') &&
        world.sourceTree !== 'killed',
    );
    expect(bad && wayTo(bad, before)).toBeUndefined();
    const copies = worlds.find(
      ({ destination, destinationTodo, copy }) =>
        destinationTodo.length === 0 &&
        (destination !== 'absent' && runsAtDestination(destination)) !== (copy === 'runs'),
    );
    expect(copies && wayTo(copies, before)).toBeUndefined();
  });
});

function isQuiet(world: World): boolean {
  const idle = world.sourceTodo.length === 0 && world.destinationTodo.length === 0;
  const ended = world.source === 'done' || world.source === 'aborted';
  const settled = ['running', 'settled', 'gone', 'absent'].includes(world.destination);
  return idle && ended && settled && world.toSource.length === 0 && world.toDestination.length === 0;
}

/** Follows the steps that happen by themselves, one after the other, to a quiet world. */
function settles(from: World, ok: ReadonlySet<string>): boolean {
  let world = from;
  for (let steps = 0; steps < 100; steps++) {
    if (isQuiet(world)) return ok.has(JSON.stringify(world));
    const following = progress(world);
    if (following === undefined) return false;
    world = undelivered(following);
  }
  return false;
}

/** One step that is owed: an effect, a message, or the notice of a broken connection. */
function progress(world: World): World | undefined {
  if (world.sourceTodo.length > 0) return doSource(world);
  if (world.destinationTodo.length > 0) return doDestination(world);
  if (!world.sourceUp && world.source !== 'done' && world.source !== 'aborted')
    return sourceSees(world, { kind: 'lost' });
  if (!world.destinationUp && !['running', 'settled', 'gone', 'resuming', 'absent'].includes(world.destination))
    return destinationSees(world, { kind: 'lost' });
  if (world.source === 'copying') return sourceSees(world, { kind: 'frozen' });
  const [toSource, ...sourceRest] = world.toSource;
  if (toSource !== undefined && world.sourceUp)
    return sourceSees({ ...world, toSource: sourceRest }, { kind: toSource } as SourceEvent);
  const [toDestination, ...rest] = world.toDestination;
  if (toDestination !== undefined && world.destinationUp)
    return destinationSees({ ...world, toDestination: rest }, { kind: toDestination } as DestinationEvent);
  if (world.destination === 'restoring') return destinationSees({ ...world, copy: 'held' }, { kind: 'held' });
  if (world.destination === 'resuming') return destinationSees(world, { kind: 'resumed' });
  return endings(world)[0];
}
