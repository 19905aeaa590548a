import { describe, expect, it } from 'vitest';
import { runBench } from '../../../src/bench/bench.js';
import { listBench, renderCatalog } from '../../../src/bench/catalog.js';
import { choosePeers } from '../../../src/bench/peers/choose.js';
import { chooseScenario } from '../../../src/bench/scenarios.js';

describe('chooseScenario()', () => {
  it('takes a group for its first scenario, and overrides what the request names', () => {
    expect(chooseScenario({ scenario: 'dump' }).name).toBe('dump/plain');
    const scenario = chooseScenario({ scenario: 'dump/tree', sizeBytes: 2 ** 26, zeroShare: 0.25 });
    expect(scenario).toMatchObject({ name: 'dump/tree', sizeBytes: 2 ** 26, processes: 8, zeroShare: 0.25 });
  });

  it.each([
    [{ scenario: 'dmp' }, 'Cannot find scenario "dmp": known are dump/plain'],
    [{ scenario: 'dump', processes: 0 }, 'Cannot use processes 0: it must be a whole number from 1 to 1024'],
    [{ scenario: 'dump', sizeBytes: 100 }, 'Cannot use sizeBytes 100'],
    [{ scenario: 'dump', entropy: 1.5 }, 'Cannot use entropy 1.5: it must be from 0 to 1'],
    [{ scenario: 'dump', zeroShare: Number.NaN }, 'Cannot use zeroShare NaN'],
  ])('refuses %j', (request, message) => {
    expect(() => chooseScenario(request)).toThrow(message);
  });
});

describe('choosePeers()', () => {
  it('gives all peers of the group, the baseline first', () => {
    expect(choosePeers('dump', undefined).map(({ name }) => name)).toEqual([
      'criu',
      'frazil',
      'frazil-direct',
      'frazil-library',
      'frazil-service',
    ]);
    expect(choosePeers('version', undefined)[0]?.name).toBe('criu-by-hand');
  });

  it('numbers a peer given twice: an A/A test', () => {
    expect(choosePeers('dump', ['criu', 'criu']).map(({ name }) => name)).toEqual(['criu', 'criu#2']);
  });

  it('takes frazil@DIR for another checkout', () => {
    const [peer] = choosePeers('dump', ['frazil@/tmp/worktree-a']);
    expect(peer?.name).toBe('frazil@worktree-a');
  });

  it('refuses a name that the group does not have', () => {
    expect(() => choosePeers('version', ['podman'])).toThrow('Cannot find peer "podman" for version');
  });
});

describe('runBench()', () => {
  it('throws misuse synchronously, before it looks at the host', () => {
    const ui = { report: () => expect.unreachable() };
    expect(() => runBench({ scenario: 'dump', runs: 0 }, ui)).toThrow(RangeError);
    expect(() => runBench({ scenario: 'dump', peers: ['x'] }, ui)).toThrow(RangeError);
  });
});

describe('renderCatalog()', () => {
  it('lists every scenario with its parameters and every peer', () => {
    const text = renderCatalog(listBench());
    expect(text).toMatch(/ dump\/busy +a tree that dirties 256 MiB\/s while it runs \(1 GiB, 1 process of 4 threads/);
    for (const { name } of [...listBench().scenarios, ...listBench().peers]) expect(text).toContain(`  ${name} `);
  });
});
