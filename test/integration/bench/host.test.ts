// The target tree, the meter and the compiler cache with real processes; no CRIU.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { revision } from '../../../src/bench/host/environment.js';
import { meter } from '../../../src/bench/host/meter.js';
import { Target } from '../../../src/bench/host/target.js';
import { PACKAGE_ROOT, prepareTools, type Tools } from '../../../src/bench/host/tools.js';
import { checkRoom, Workspace } from '../../../src/bench/host/workspace.js';
import { chooseScenario } from '../../../src/bench/scenarios.js';

const MIB = 2 ** 20;
let tools: Tools;
let dir = '';
const homes: string[] = [];
const scratch = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'frazil-bench-test-'));
  homes.push(path);
  return path;
};

beforeAll(async () => {
  tools = await prepareTools();
}, 60_000);
beforeEach(async () => {
  dir = await scratch();
});
afterAll(() => Promise.all(homes.map((home) => rm(home, { recursive: true, force: true }))));

describe('prepareTools()', () => {
  it('names the compiler that is missing and what to do', async () => {
    const env = { FRAZIL_HOME: dir, CC: '/nowhere/cc' };
    await expect(prepareTools({ env })).rejects.toMatchObject({
      code: 'FEATURE_MISSING',
      message: expect.stringContaining('apt-get install gcc'),
    });
    expect(await readdir(join(dir, 'bench'))).toEqual([]);
  });
});

describe('revision()', () => {
  it('knows the commit of a checkout, and none for a package inside of one', async () => {
    expect(await revision(PACKAGE_ROOT)).toMatch(/^[0-9a-f]{12}(-dirty)?$/);
    expect(await revision(join(PACKAGE_ROOT, 'node_modules/typescript'))).toBeUndefined();
    expect(await revision(dir)).toBeUndefined();
  });
});

describe('Target', () => {
  const scenario = chooseScenario({ scenario: 'dump', sizeBytes: 8 * MIB, processes: 3, threads: 2, zeroShare: 0.3 });
  const start = (changes: object = {}, seed = 1): Promise<Target> =>
    Target.start({
      program: tools.target,
      fifo: join(dir, `fifo-${seed}-${JSON.stringify(changes).length}`),
      scenario: { ...scenario, ...changes },
      seed,
    });

  it('fills every process, answers the same digest again, and leaves no process behind', async () => {
    const target = await start();
    const { arenas } = target;
    expect(arenas.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(arenas[0]?.pid).toBe(target.pid);
    expect(new Set(arenas.map(({ digest }) => digest)).size).toBe(3);
    expect(await target.ask()).toEqual(arenas);
    await target[Symbol.asyncDispose]();
    for (const { pid } of arenas) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('makes the same memory from the same seed, and keeps its digest while it dirties pages', async () => {
    await using calm = await start();
    await using busy = await start({ dirtyBytesPerSecond: 64 * MIB });
    await using other = await start({}, 2);
    const digests = (target: Target) => target.arenas.map(({ digest }) => digest);
    expect(digests(busy)).toEqual(digests(calm));
    expect((await busy.ask()).map(({ digest }) => digest)).toEqual(digests(calm));
    expect(digests(other)).not.toEqual(digests(calm));
  });

  it('leaves no fd behind', async () => {
    const fds = async (): Promise<readonly string[]> => (await readdir('/proc/self/fd')).sort();
    const first = await start();
    await first[Symbol.asyncDispose]();
    const before = await fds();
    await (await start({}, 3))[Symbol.asyncDispose]();
    expect(await fds()).toEqual(before);
  });
});

describe('meter()', () => {
  const run = (command: readonly string[], signal?: AbortSignal) =>
    meter({ run: tools.run, command, env: {}, workDir: dir, signal });

  it('counts CPU time and memory of the command and of its descendants', async () => {
    const child = 'const b = Buffer.alloc(96 << 20, 1); const t = Date.now(); while (Date.now() - t < 200) b[0]++;';
    const cost = await run(['sh', '-c', `"${process.execPath}" -e '${child}'; exit 3`]);
    expect(cost.exit).toBe(3);
    expect(cost.cpuUs).toBeGreaterThan(150_000);
    expect(cost.wallUs).toBeGreaterThan(200_000);
    expect(cost.peakBytes).toBeLessThan(32 * MIB);
    expect(cost.descendantBytes).toBeGreaterThan(96 * MIB);
    expect(cost.left).toBe(0);
  });

  it('counts a daemonised grandchild that outlives the command, and says so', async () => {
    const cost = await run(['sh', '-c', 'setsid sleep 0.4 >/dev/null 2>&1 & exit 0']);
    expect(cost.left).toBe(1);
  });

  it('ends the command when it is aborted', async () => {
    const stop = new AbortController();
    const running = run(['sleep', '60'], stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(running).rejects.toThrow('enough');
  });

  it('reports a command that does not exist as exit 127', async () => {
    expect((await run(['/nowhere/criu'])).exit).toBe(127);
  });
});

describe('Workspace', () => {
  it('removes what it made and what a dead benchmark left, and nothing else', async () => {
    const base = await scratch();
    const { mkdir } = await import('node:fs/promises');
    await mkdir(join(base, 'frazil-bench-999999999-abc'));
    await mkdir(join(base, `frazil-bench-${process.ppid}-abc`));
    await mkdir(join(base, 'other'));
    const workspace = await Workspace.create({ kind: 'path', path: base });
    const folders = await workspace.open();
    expect(existsSync(folders.images) && existsSync(folders.control)).toBe(true);
    await workspace[Symbol.asyncDispose]();
    expect((await readdir(base)).sort()).toEqual([`frazil-bench-${process.ppid}-abc`, 'other']);
    expect(existsSync(workspace.control)).toBe(false);
  });

  it('checkRoom() says how much is free and how much is needed', async () => {
    await using workspace = await Workspace.create({ kind: 'path', path: dir });
    const scenario = chooseScenario({ scenario: 'dump', sizeBytes: 2 ** 43 });
    await expect(checkRoom(workspace, scenario)).rejects.toThrow(
      /Cannot run the benchmark: \d+ MiB of memory are free, \d+ MiB are needed/,
    );
  });
});
