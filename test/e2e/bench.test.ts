// The harness with a real CRIU, at a size that measures nothing and exercises everything.

import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type BenchRequest, runBench } from '../../src/bench/bench.js';
import { PACKAGE_ROOT } from '../../src/bench/host/tools.js';
import type { BenchResult } from '../../src/bench/model.js';
import { PEERS } from '../../src/bench/peers/choose.js';
import type { BenchProgress } from '../../src/bench/progress.js';
import { tabulate } from '../../src/bench/report/tabulate.js';
import { renderTable } from '../../src/bench/table.js';
import { locate } from '../../src/criu/locate.js';
import { BUILT } from '../helpers/built.js';
import { RUNC } from '../helpers/container.js';
import { BRIDGES } from '../helpers/lan.js';
import { need, testWith } from '../helpers/needs.js';
import { PODMAN } from '../helpers/podman.js';
import { tempDir } from '../helpers/temp-dir.js';

const MIB = 2 ** 20;
const TUN = need('/dev/net/tun', !existsSync('/dev/net/tun') && 'this machine has none');
const criu = await locate().catch(() => undefined);
const NODE_SERVER = join(PACKAGE_ROOT, 'dist/bench/drivers/node-server.js');
const NEEDS = [
  need('a CRIU', criu === undefined && 'run scripts/setup'),
  need('root', process.geteuid?.() !== 0 && 'not root'),
];

async function bench(
  request: BenchRequest,
  signal?: AbortSignal,
): Promise<{ result: BenchResult; progress: readonly BenchProgress[] }> {
  const progress: BenchProgress[] = [];
  const options = signal === undefined ? {} : { signal };
  const result = await runBench(
    { sizeBytes: 16 * MIB, ...request },
    { report: (step) => progress.push(step) },
    options,
  );
  return { result, progress };
}

/** Names of folders, and pids of targets, that this process's benchmarks have left behind. */
async function leftovers(): Promise<readonly string[]> {
  const mine = `frazil-bench-${process.pid}-`;
  const folders = (await Promise.all(['/dev/shm', tmpdir()].map((base) => readdir(base))))
    .flat()
    .filter((name) => name.startsWith(mine));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
  return [...folders, ...commands.filter((command) => command.includes(mine))];
}

describe('runBench()', () => {
  testWith(
    NEEDS,
    'measures criu against itself: takes turns, verifies every run, restores each peer, writes the reports',
    async () => {
      await using dir = tempDir();
      const files = { json: join(dir.path, 'a.json'), svg: join(dir.path, 'a.svg'), html: join(dir.path, 'a.html') };
      const { result, progress } = await bench({
        scenario: 'dump/tree',
        processes: 2,
        peers: ['criu', 'criu'],
        runs: 4,
        ...files,
      });
      expect(result.cells.map(({ peer, failure }) => [peer, failure])).toEqual([
        ['criu', undefined],
        ['criu#2', undefined],
      ]);
      const done = progress.filter((step) => step.kind === 'run' && step.phase === 'done');
      expect(done.map((step) => step.kind === 'run' && step.peer)).toEqual(
        Array.from({ length: 5 }, () => ['criu', 'criu#2']).flat(),
      );
      for (const { runs } of result.cells) {
        expect(runs.map(({ verified }) => verified.kind === 'images' && verified.pages)).toEqual(
          Array.from({ length: 5 }, () => (16 * MIB) / 4096),
        );
        expect(runs.map(({ verified }) => verified.kind === 'images' && verified.restored)).toEqual([
          true,
          false,
          false,
          false,
          false,
        ]);
        for (const { figures } of runs) expect(figures.frozen).toBeLessThan(figures.wall ?? 0);
      }
      expect(tabulate(result).map(({ metric }) => metric.name)).toEqual(
        expect.arrayContaining(['frozen', 'freezing', 'wall', 'cpu', 'peakMemory', 'bytesWritten']),
      );
      expect(JSON.parse(await readFile(files.json, 'utf8'))).toEqual(result);
      expect(await readFile(files.html, 'utf8')).toContain('<svg');
      expect(await leftovers()).toEqual([]);
    },
  );

  testWith(NEEDS, 'follows a tree that the dump kills while it dirties memory, on a disk', async () => {
    const { result } = await bench({
      scenario: 'dump/disk',
      leaveRunning: false,
      dirtyBytesPerSecond: 32 * MIB,
      processes: 2,
      zeroShare: 0.3,
      peers: ['criu'],
      runs: 1,
    });
    const [cell] = result.cells;
    expect(cell?.failure).toBeUndefined();
    expect(cell?.runs[1]?.figures.durable).toBeGreaterThan(cell?.runs[1]?.figures.wall ?? 0);
    expect(await leftovers()).toEqual([]);
  });

  testWith(NEEDS, 'brings a tree back with every peer, and hears from it when it ran', async () => {
    const { result } = await bench({ scenario: 'restore/tree', processes: 2, runs: 1 });
    expect(result.absent).toEqual([]);
    for (const { peer, runs, failure } of result.cells) {
      expect([peer, failure]).toEqual([peer, undefined]);
      for (const { figures, verified } of runs) {
        expect(verified).toMatchObject({ kind: 'images', pages: (16 * MIB) / 4096, restored: true });
        expect(figures.first).toBeGreaterThan(0);
        expect(figures.waits).toBeGreaterThanOrEqual(0);
        expect(figures.faults === undefined).toBe(!peer.startsWith('frazil-lazy'));
      }
    }
    expect(await leftovers()).toEqual([]);
  });

  testWith(NEEDS, 'restores trees of several sizes in a run, and says what a gibibyte adds', async () => {
    const request = { scenario: 'restore/slope', sizeBytes: 160 * MIB, peers: ['criu', 'frazil-lazy-library'] };
    const { result } = await bench({ ...request, runs: 1, warmups: 0 });
    for (const { peer, runs, failure } of result.cells) {
      expect([peer, failure]).toEqual([peer, undefined]);
      const [run] = runs;
      expect(run?.samples?.first).toHaveLength(4);
      expect(run?.figures.firstPerGib).toBeTypeOf('number');
      expect(run?.verified).toMatchObject({ kind: 'images', pages: (160 * MIB) / 4096, restored: true });
    }
    expect(await leftovers()).toEqual([]);
  });

  testWith(
    [...NEEDS, need('dist', !existsSync(NODE_SERVER) && 'run npm run build:ts')],
    'asks a restored Node server until it answers, with every peer',
    async () => {
      const { result } = await bench({ scenario: 'restore/node-server', runs: 1, warmups: 0 });
      expect(result.absent).toEqual([]);
      for (const { peer, runs, failure } of result.cells) {
        expect([peer, failure]).toEqual([peer, undefined]);
        expect(runs[0]?.figures.answer).toBeGreaterThan(0);
        // The same bytes for all.
        expect(runs[0]?.verified).toEqual(result.cells[0]?.runs[0]?.verified);
      }
      expect(await leftovers()).toEqual([]);
    },
  );

  testWith(NEEDS, 'packs an images directory with every peer, and unpacks what they made', async () => {
    const { result } = await bench({ scenario: 'archive/directory', runs: 1 });
    expect(result.absent).toEqual([]);
    for (const { peer, runs, failure } of result.cells) {
      expect([peer, failure]).toEqual([peer, undefined]);
      expect(runs.at(-1)?.verified).toMatchObject({ kind: 'images', pages: (16 * MIB) / 4096 });
    }
    expect(await leftovers()).toEqual([]);
  });

  testWith(
    [...NEEDS, RUNC.here, BUILT],
    'checkpoints containers by runc and by its launcher; counts state',
    async () => {
      const made = await bench({ scenario: 'container/checkpoint', runs: 1 });
      expect(made.result.cells.map(({ peer, failure }) => [peer, failure])).toEqual([
        ['runc', undefined],
        ['frazil-runc', undefined],
      ]);
      for (const { runs } of made.result.cells) {
        expect(runs.at(-1)?.figures.frozen).toBeGreaterThan(0);
        expect(runs.at(-1)?.verified).toMatchObject({ kind: 'images', pages: (16 * MIB) / 4096 });
      }
      const { result } = await bench({ scenario: 'container/state', runs: 1 });
      for (const { failure, runs } of result.cells) {
        expect(failure).toBeUndefined();
        expect(runs.at(-1)?.figures.wall).toBeGreaterThan(0);
        expect(runs.at(-1)?.verified).toEqual({ kind: 'answer', answer: 'running' });
      }
      expect(await leftovers()).toEqual([]);
    },
  );

  testWith(
    [...NEEDS, BRIDGES, TUN],
    'moves a tree between two hosts with every peer that is here, and hears from it for how long it was away',
    async () => {
      const { result } = await bench({ scenario: 'migrate/10', processes: 2, dirtyBytesPerSecond: MIB, runs: 1 });
      const absent = result.absent.map(({ peer }) => peer);
      expect(absent.filter((peer) => !/^(rsync-|criu-script-pre)/.test(peer))).toEqual([]);
      expect(result.cells.length + absent.length).toBe(PEERS.filter(({ group }) => group === 'migrate').length);
      for (const { peer, runs, failure } of result.cells) {
        expect([peer, failure]).toEqual([peer, undefined]);
        for (const { figures, verified } of runs) {
          expect(verified).toMatchObject({ kind: 'images', pages: (16 * MIB) / 4096, restored: true });
          // Two ways over the link at least, and less than all that the command took.
          expect(figures.downtime).toBeGreaterThan(18_000);
          expect(figures.downtime).toBeLessThan(figures.wall ?? 0);
          expect(figures.wireBytes).toBeGreaterThan((16 * MIB) / 4);
          expect(figures.sourceCpu).toBeGreaterThan(0);
          expect(figures.destinationCpu).toBeGreaterThan(0);
          expect(figures.predictionError === undefined).toBe(peer !== 'frazil');
        }
      }
      expect(await leftovers()).toEqual([]);
    },
  );

  testWith([...NEEDS, PODMAN, BUILT], "makes archives of Podman's container, by Podman and by Frazil", async () => {
    const { result } = await bench({ scenario: 'container/export', processes: 2, runs: 1, warmups: 0 });
    expect(result.absent).toEqual([]);
    for (const { peer, runs, failure } of result.cells) {
      expect([peer, failure]).toEqual([peer, undefined]);
      const [run] = runs;
      expect(run?.verified).toMatchObject({ kind: 'images', pages: (16 * MIB) / 4096 });
      // Half of it cannot be compressed, and half can.
      expect(run?.figures.bytesWritten).toBeGreaterThan(6 * MIB);
      expect(run?.figures.bytesWritten).toBeLessThan(16 * MIB);
    }
    expect(await leftovers()).toEqual([]);
  });

  testWith(
    [...NEEDS, BRIDGES, TUN, RUNC.here, BUILT],
    'moves a container between two hosts, by a script around runc and by Frazil',
    async () => {
      const peers = ['runc-script', 'frazil'];
      const { result } = await bench({ scenario: 'container/migrate-10', processes: 2, peers, runs: 1, warmups: 0 });
      for (const { peer, runs, failure } of result.cells) {
        expect([peer, failure]).toEqual([peer, undefined]);
        for (const { figures, verified } of runs) {
          expect(verified).toMatchObject({ kind: 'images', pages: (16 * MIB) / 4096, restored: true });
          expect(figures.downtime).toBeGreaterThan(18_000);
          expect(figures.downtime).toBeLessThan(figures.wall ?? 0);
          // The files, too.
          expect(figures.wireBytes).toBeGreaterThan((16 * MIB) / 4 + 8 * MIB);
        }
      }
      expect(await leftovers()).toEqual([]);
    },
  );

  testWith([...NEEDS, BRIDGES], 'fails the cell of a migration whose tree lost a write', async () => {
    await using dir = tempDir();
    const wrong = join(dir.path, 'criu');
    const script = [
      '#!/bin/sh',
      'for word; do [ "$last" = -D ] && images=$word; last=$word; done',
      // The page server's: the first word of a page in the middle is what is rewritten in order.
      '[ "$1" = restore ] && printf X | dd of="$(ls "$images"/pages-*.img)" bs=1 seek=8196096 conv=notrunc 2>/dev/null',
      `exec "${criu?.path}" "$@"`,
    ];
    await writeFile(wrong, `${script.join('\n')}\n`);
    await chmod(wrong, 0o755);
    const request = { scenario: 'migrate/large-1g', peers: ['criu-script'], criu: wrong, runs: 1, zeroShare: 0 };
    const { result } = await bench(request);
    expect(result.cells[0]).toMatchObject({ runs: [], failure: { reason: expect.stringContaining('lost a write') } });
    expect(await leftovers()).toEqual([]);
  });

  testWith(NEEDS, 'fails the cell of a fast wrong pipeline: one byte of the images differs', async () => {
    await using dir = tempDir();
    const wrong = join(dir.path, 'criu');
    const script = [
      '#!/bin/sh',
      `"${criu?.path}" "$@" || exit $?`,
      '[ "$1" = dump ] || exit 0',
      'while [ $# -gt 1 ]; do [ "$1" = -D ] && images=$2; shift; done',
      'printf X | dd of="$images/pages-1.img" bs=1 seek=1000000 conv=notrunc 2>/dev/null',
    ];
    await writeFile(wrong, `${script.join('\n')}\n`);
    await chmod(wrong, 0o755);
    const { result } = await bench({ scenario: 'dump', peers: ['criu'], criu: wrong, runs: 3 });
    expect(result.cells[0]).toMatchObject({
      runs: [],
      failure: { run: 0, reason: expect.stringContaining('WRONG BYTES') },
    });
    expect(tabulate(result)).toEqual([]);
    expect(renderTable(result)).toContain('FAILED criu, run 1: WRONG BYTES');
    expect(await leftovers()).toEqual([]);
  });

  testWith(NEEDS, 'refuses to measure nothing: none of the peers is here', async () => {
    const request = { scenario: 'dump', peers: ['frazil@/nowhere'], runs: 1 };
    await expect(bench(request)).rejects.toMatchObject({
      code: 'FEATURE_MISSING',
      message: expect.stringContaining('Run npm run build'),
    });
  });

  testWith(NEEDS, 'keeps the log of a peer that fails', async () => {
    await using dir = tempDir();
    const broken = join(dir.path, 'criu');
    await writeFile(
      broken,
      `#!/bin/sh\n[ "$1" = dump ] && { echo 'Error (x.c:1): no' >&2; exit 1; }\nexec "${criu?.path}" "$@"\n`,
    );
    await chmod(broken, 0o755);
    const { result } = await bench({ scenario: 'dump', peers: ['criu'], criu: broken, runs: 1 });
    expect(result.cells[0]?.failure).toEqual({ run: 0, reason: 'criu exited with 1', log: 'Error (x.c:1): no' });
  });

  testWith(NEEDS, 'stops at an abort within a run and leaves nothing behind', async () => {
    const stop = new AbortController();
    const measuring: BenchProgress[] = [];
    const report = (step: BenchProgress): void => {
      measuring.push(step);
      if (step.kind === 'run' && step.phase === 'measuring') setTimeout(() => stop.abort(new Error('Ctrl-C')), 20);
    };
    const request = { scenario: 'dump/tree', sizeBytes: 64 * MIB, peers: ['criu'], runs: 50 };
    await expect(runBench(request, { report }, { signal: stop.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(measuring.at(-1)).toMatchObject({ phase: 'measuring' });
    expect(await leftovers()).toEqual([]);
  });

  testWith(
    [...NEEDS, BUILT],
    'measures frazil against criu: right bytes, restorable by criu, figures of its own',
    async () => {
      const { result } = await bench({ scenario: 'dump/zeros', processes: 2, runs: 1 });
      expect(result.absent).toEqual([]);
      expect(result.cells.map(({ peer, failure }) => [peer, failure])).toEqual([
        ['criu', undefined],
        ['frazil', undefined],
        ['frazil-direct', undefined],
        ['frazil-library', undefined],
        ['frazil-service', undefined],
      ]);
      const [criuCell, commandLine, , library, service] = result.cells.map(({ runs }) => runs[0]?.figures);
      expect(library?.memoryGrowth).toBeGreaterThan(0);
      expect(library?.call).toBeLessThan(library?.wall ?? 0);
      expect(service?.call).toBeLessThan(service?.wall ?? 0);
      expect(criuCell?.call).toBe(criuCell?.wall);
      expect(commandLine?.criuMemory).toBeGreaterThan(0);
      expect(commandLine?.bytesAllocated).toBeLessThan(criuCell?.bytesAllocated ?? 0);
      expect(await leftovers()).toEqual([]);
    },
  );

  testWith(NEEDS, 'drives VERSION by hand and checks the answer', async () => {
    const { result } = await bench({ scenario: 'version', peers: ['criu-by-hand'], runs: 2 });
    expect(result.cells[0]?.runs).toHaveLength(3);
    expect(result.cells[0]?.runs[2]?.samples?.session).toHaveLength(30);
    expect(result.cells[0]?.runs[2]?.verified).toEqual({ kind: 'answer', answer: result.environment.criuVersion });
  });
});
