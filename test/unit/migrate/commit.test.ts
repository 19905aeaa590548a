// Both halves of the commit against each other, over every interleaving of their messages, of lost connections and of crashes: a
// breadth-first walk over all states that can be reached.

import { describe, expect, it } from 'vitest';
import { type DestinationEvent, runsAtDestination } from '../../../src/migrate/protocol/destination.js';
import { runsAtSource } from '../../../src/migrate/protocol/source.js';
import {
  destinationSees,
  doDestination,
  doSource,
  endings,
  eventOf,
  fillEnds,
  hasEnded,
  next,
  resumed,
  START,
  START_LEAVING,
  sourceSees,
  undelivered,
  type World,
} from '../../helpers/commit-world.js';

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

describe.each([
  ['of a migration', START],
  ['of a migration that leaves pages behind', START_LEAVING],
])('the commit %s', (_, start) => {
  const { worlds, before } = explore(start);

  it('reaches all its states', () => {
    const leaves = start.lacks;
    expect(new Set(worlds.map(({ source }) => source))).toEqual(
      new Set(['copying', 'frozen', 'committing', 'done', 'aborted', ...(leaves ? ['serving', 'broken'] : [])]),
    );
    const states = ['receiving', 'restoring', 'prepared', 'resuming', 'running', 'settled', 'gone', 'absent'];
    expect(new Set(worlds.map(({ destination }) => destination))).toEqual(
      new Set([...states, ...(leaves ? ['filling'] : [])]),
    );
    expect(worlds.length).toBeGreaterThan(1000);
  });

  it('never has two live copies', () => {
    const bad = worlds.find((world) => live(world) > 1);
    expect(bad && wayTo(bad, before)).toBeUndefined();
  });

  it('never kills the source before the copy runs, nor forgets a copy that was let go', () => {
    const bad = worlds.find(
      ({ sourceTree, copy, left }) => sourceTree === 'killed' && copy !== 'runs' && left !== 'held' && left !== 'kept',
    );
    expect(bad && wayTo(bad, before)).toBeUndefined();
  });

  it('has one live copy, or what was left behind in files, wherever nothing more can happen by itself', () => {
    // What may still come are only faults: no effect, no message, no step that somebody owes.
    const quiet = worlds.filter((world) => isQuiet(world));
    expect(quiet.length).toBeGreaterThan(10);
    const bad = quiet.find((world) => live(world) !== 1 && !isKept(world));
    expect(bad && wayTo(bad, before)).toBeUndefined();
  });

  it('can get from everywhere to one of the two without any further fault', () => {
    const ok = new Set(
      worlds
        .filter((world) => isQuiet(world) && (live(world) === 1 || isKept(world)))
        .map((world) => JSON.stringify(world)),
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

/** The copy is lost, and the tree can be restored from files. */
function isKept(world: World): boolean {
  return world.source === 'broken' && world.left === 'kept' && live(world) === 0;
}

function isQuiet(world: World): boolean {
  const idle = world.sourceTodo.length === 0 && world.destinationTodo.length === 0;
  const ended = hasEnded(world);
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

const BEFORE_GO: ReadonlySet<string> = new Set(['receiving', 'restoring', 'prepared']);

/** One step that is owed: an effect, a message, or the notice of a broken connection. */
function progress(world: World): World | undefined {
  // Sooner than a source that asks again and again, each time after a longer while.
  if (world.destination === 'filling' && world.feed === 'broken' && world.destinationTodo.length === 0)
    return fillEnds(world);
  if (world.sourceTodo.length > 0) return doSource(world);
  if (world.destinationTodo.length > 0) return doDestination(world);
  if (!world.sourceUp && !hasEnded(world)) return sourceSees(world, { kind: 'lost' });
  if (!world.destinationUp && BEFORE_GO.has(world.destination)) return destinationSees(world, { kind: 'lost' });
  if (world.source === 'copying') return sourceSees(world, { kind: 'frozen' });
  const [toSource, ...sourceRest] = world.toSource;
  if (toSource !== undefined && world.sourceUp)
    return sourceSees({ ...world, toSource: sourceRest }, eventOf(world, toSource));
  const [toDestination, ...rest] = world.toDestination;
  if (toDestination !== undefined && world.destinationUp)
    return destinationSees({ ...world, toDestination: rest }, { kind: toDestination } as DestinationEvent);
  if (world.destination === 'restoring') return destinationSees({ ...world, copy: 'held' }, { kind: 'held' });
  if (world.destination === 'resuming') return resumed(world);
  if (world.destination === 'filling') return fillEnds(world);
  return endings(world)[0];
}
