/** The scenarios, as data, and what a request makes of one. */

import type { Scenario } from './model.js';
import type { BenchRequest } from './request.js';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const PAGE_BYTES = 4096;

const PLAIN = {
  name: 'dump/plain',
  group: 'dump',
  title: 'one process, incompressible and compressible pages, left running',
  sizeBytes: GIB,
  processes: 1,
  threads: 4,
  dirtyBytesPerSecond: 0,
  entropy: 0.5,
  zeroShare: 0,
  leaveRunning: true,
  stages: [],
  destination: { kind: 'tmpfs' },
  repeats: 1,
} as const satisfies Scenario;

const ARCHIVE = {
  ...PLAIN,
  name: 'archive/plain',
  group: 'archive',
  title: 'one archive on a disk, uncompressed, of a tree that runs on',
  destination: { kind: 'disk' },
} as const satisfies Scenario;

const RESTORE = {
  ...PLAIN,
  name: 'restore/plain',
  group: 'restore',
  title: 'a tree comes back and looks at its memory at random',
  leaveRunning: false,
} as const satisfies Scenario;

const CONTAINER = {
  ...PLAIN,
  name: 'container/checkpoint',
  group: 'container',
  title: 'checkpoint of a container by its runtime, left running',
} as const satisfies Scenario;

const MS = 1000;
const GBIT = 1e9;

// The servers of the published table (docs/benchmarks.md): a service with a heap that was inflated and is hardly written to.
const MIGRATE = {
  ...PLAIN,
  name: 'migrate/100',
  group: 'migrate',
  title: 'a service with 100 MB of heap moves to another host: the published table',
  sizeBytes: 100e6,
  leaveRunning: false,
  link: { bitsPerSecond: GBIT, roundTripUs: 18 * MS },
} as const satisfies Scenario;

const SERVICE_MEGABYTES = [100, 50, 10, 0];

const MIGRATE_LARGE = {
  ...MIGRATE,
  name: 'migrate/large-1g',
  title: '1 GiB with 57 % zero pages, a tenth rewritten per second, over 1 Gbit/s',
  sizeBytes: GIB,
  zeroShare: 0.57,
  dirtyBytesPerSecond: Math.round(GIB / 10),
  link: { bitsPerSecond: GBIT, roundTripUs: 0 },
} as const satisfies Scenario;

// The first scenario of a group is what the group's bare name means.
export const SCENARIOS: readonly Scenario[] = [
  PLAIN,
  { ...PLAIN, name: 'dump/disk', title: 'the same to a disk', destination: { kind: 'disk' } },
  { ...PLAIN, name: 'dump/tree', title: 'a tree of 8 processes', processes: 8 },
  { ...PLAIN, name: 'dump/busy', title: 'a tree that dirties 256 MiB/s while it runs', dirtyBytesPerSecond: 256 * MIB },
  { ...PLAIN, name: 'dump/zeros', title: 'half of the touched pages hold zeros', zeroShare: 0.5 },
  { ...PLAIN, name: 'dump/kill', title: 'the tree is killed by the dump', leaveRunning: false },
  { ...PLAIN, name: 'dump/small', title: 'a small service', sizeBytes: 32 * MIB },
  ARCHIVE,
  {
    ...ARCHIVE,
    name: 'archive/zstd',
    title: 'the same compressed, zstd 3, a thread for each processor',
    stages: ['zstd'],
  },
  { ...ARCHIVE, name: 'archive/kill', title: 'the tree is killed', leaveRunning: false },
  {
    ...ARCHIVE,
    name: 'archive/kill-zstd',
    title: 'the tree is killed, compressed',
    leaveRunning: false,
    stages: ['zstd'],
  },
  {
    ...ARCHIVE,
    name: 'archive/directory',
    group: 'directory',
    title: 'one archive on a disk of an images directory that is there, uncompressed',
  },
  {
    ...ARCHIVE,
    name: 'archive/decode',
    group: 'decode',
    title: 'a pagemap with an entry for every page, as JSON',
    sizeBytes: 1_000_000 * 4096,
  },
  {
    ...ARCHIVE,
    name: 'archive/search',
    group: 'search',
    title: 'a string of 24 bytes in the pages of a checkpoint',
  },
  RESTORE,
  {
    ...RESTORE,
    name: 'restore/small',
    title: 'the same of a tenth: what does not depend on the size',
    sizeBytes: 100 * MIB,
  },
  { ...RESTORE, name: 'restore/large', title: 'the same of four times the size', sizeBytes: 4 * GIB },
  { ...RESTORE, name: 'restore/tree', title: 'a tree of 8 processes', processes: 8 },
  { ...RESTORE, name: 'restore/zeros', title: 'half of the touched pages hold zeros', zeroShare: 0.5 },
  {
    ...RESTORE,
    name: 'restore/slope',
    title: 'trees of an eightieth, an eighth, half and all of the size: what a gibibyte adds to the first instruction',
    sizeBytes: 8 * GIB,
    sizeShares: [1 / 80, 1 / 8, 1 / 2, 1],
  },
  {
    ...RESTORE,
    name: 'restore/node-server',
    title: 'an HTTP server in Node comes back and is asked at once',
    sizeBytes: 100e6,
    program: 'node-server',
  },
  CONTAINER,
  {
    ...CONTAINER,
    name: 'container/state',
    title: 'state, 50 times: what an engine pays for the launcher',
    sizeBytes: 4 * MIB,
    repeats: 50,
  },
  {
    ...CONTAINER,
    name: 'container/export',
    group: 'container-export',
    title: "an archive of Podman's container, compressed as each does by itself",
    stages: ['zstd'],
    destination: { kind: 'disk' },
  },
  MIGRATE,
  ...SERVICE_MEGABYTES.slice(1).map((mb) => ({
    ...MIGRATE,
    name: `migrate/${mb}`,
    title: `the same with ${mb} MB`,
    // Without any heap it still has a page.
    sizeBytes: Math.max(mb * 1e6, PAGE_BYTES),
  })),
  ...SERVICE_MEGABYTES.map((mb) => ({
    ...MIGRATE,
    name: `container/migrate-${mb}`,
    group: 'container-migrate' as const,
    title: `a container with ${mb} MB of heap and a root filesystem moves to another host`,
    sizeBytes: Math.max(mb * 1e6, PAGE_BYTES),
  })),
  MIGRATE_LARGE,
  {
    ...MIGRATE_LARGE,
    name: 'migrate/large-10g',
    title: 'the same over 10 Gbit/s',
    link: { bitsPerSecond: 10 * GBIT, roundTripUs: 0 },
  },
  {
    ...PLAIN,
    name: 'version/swrk',
    group: 'version',
    title: 'VERSION over the control socket: whole sessions, and round trips in an open one',
    sizeBytes: 0,
    repeats: 30,
  },
];

/** The scenario a request names, with the request's own parameters. Throws RangeError for an unknown name or a number out of range. */
export function chooseScenario(request: BenchRequest): Scenario {
  const found = SCENARIOS.find(({ name, group }) => name === request.scenario || group === request.scenario);
  if (found === undefined) {
    const names = SCENARIOS.map(({ name }) => name).join(', ');
    throw new RangeError(`Cannot find scenario "${request.scenario}": known are ${names}`);
  }
  return check({ ...found, ...overrides(request) });
}

const OVERRIDABLE = [
  'sizeBytes',
  'processes',
  'threads',
  'dirtyBytesPerSecond',
  'entropy',
  'zeroShare',
  'leaveRunning',
  'destination',
] as const;

function overrides(request: BenchRequest): Partial<Scenario> {
  return Object.fromEntries(OVERRIDABLE.filter((key) => request[key] !== undefined).map((key) => [key, request[key]]));
}

const MOST_PROCESSES = 1024;

function check(scenario: Scenario): Scenario {
  const { group, processes } = scenario;
  within('processes', processes, [1, MOST_PROCESSES]);
  within('threads', scenario.threads, [1, 4096]);
  within('sizeBytes', scenario.sizeBytes, [group === 'version' ? 0 : processes * PAGE_BYTES, 2 ** 44]);
  within('dirtyBytesPerSecond', scenario.dirtyBytesPerSecond, [0, 2 ** 40]);
  for (const share of ['entropy', 'zeroShare'] as const) {
    if (!(scenario[share] >= 0 && scenario[share] <= 1))
      throw new RangeError(`Cannot use ${share} ${scenario[share]}: it must be from 0 to 1`);
  }
  return scenario;
}

/** Throws RangeError unless `value` is a whole number in the range. */
export function within(name: string, value: number, [low, high]: readonly [number, number]): number {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(`Cannot use ${name} ${value}: it must be a whole number from ${low} to ${high}`);
}
