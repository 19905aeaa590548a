// Copies: several trees out of one checkpoint, each in a pid namespace of its own.

import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { type Copies, restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import type { Tree } from '../../src/criu/tree.js';
import { CRIU_42, CRIUS } from '../helpers/criu-cli.js';
import { watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { allTasks, commandOf } from '../helpers/procfs.js';
import { programOf, startProgram, textOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { dumpTo } from '../helpers/verbs.js';

const MEGABYTES = 8;
const BYTES = MEGABYTES * 2 ** 20;

interface Copied extends AsyncDisposable {
  readonly images: string;
  readonly path: string;
  /** Of its memory when it was dumped. */
  readonly digest: string;
  /** A line for each answer since. */
  answers(): readonly string[];
  /** Tasks of any copy that live. */
  living(): readonly number[];
}

/** A checkpoint of a small tree that looks at its memory when it is sent SIGUSR1. */
async function copied(criu: string): Promise<Copied> {
  const dir = tempDir();
  const images = dir.folder('images');
  const file = join(dir.path, 'digests');
  const command = [await programOf('copied'), file, `${MEGABYTES}`];
  const { target, ready } = await startProgram(command, () =>
    textOf(file)?.endsWith('\n') === true ? textOf(file) : undefined,
  );
  await dumpTo(images, target, { criu });
  const living = () => allTasks().flatMap(({ pid }) => (commandOf(pid).includes(file) ? [pid] : []));
  return {
    images,
    path: dir.path,
    digest: ready.trim(),
    answers: () => readFileSync(file, 'utf8').trim().split('\n').slice(1),
    living,
    async [Symbol.asyncDispose]() {
      await target.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Asks each, while it is being filled, for what it sees of its memory. */
async function askAll({ answers, digest }: Copied, trees: readonly Tree[]): Promise<void> {
  const before = answers().length;
  for (const tree of trees) await tree.kill('SIGUSR1');
  await until('every copy has answered', () => answers().length >= before + trees.length);
  expect(answers().slice(before)).toEqual(trees.map(() => digest));
}

function namespaceOf(pid: number): readonly string[] {
  return /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]?.split('\t') ?? [];
}

async function endAll({ trees }: Copies): Promise<void> {
  await Promise.all(trees.map((tree) => tree.kill()));
  for (const tree of trees) expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
}

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'twenty copies at once have the memory of the first, and a page is read for all', async () => {
    await using made = await copied(criu.path);
    const leaks = watchLeaks();
    const copies = await restore(imagesDirectory(made.images), { criu: criu.path, copies: 20 }).done;
    await askAll(made, copies.trees);
    const { bytes } = await copies.filling.done;
    expect(bytes.total).toBeGreaterThanOrEqual(20 * BYTES);
    // But for pages that two have filled at once.
    expect(bytes.copied + bytes.zero).toBeLessThanOrEqual(bytes.total);
    expect(bytes.copied + bytes.zero).toBeGreaterThan(0.9 * bytes.total);
    expect(bytes.shared).toBeGreaterThan(bytes.total / 4);
    await askAll(made, copies.trees);
    // The same pid in twenty namespaces.
    const inside = copies.trees.map(({ pid }) => namespaceOf(pid).slice(1));
    expect(new Set(inside.map(String)).size).toBe(1);
    expect(new Set(copies.trees.map(({ pid }) => pid)).size).toBe(20);
    await endAll(copies);
    expect(made.living()).toEqual([]);
    await leaks.expectNothingLeft(made.images);
  });
});

testWith([CRIU_42.here], 'copies out of a compressed archive; the end of one is nothing to the others', async () => {
  await using made = await copied(CRIU_42.path);
  const to = join(made.path, 'a.zst');
  await createArchive(made.images, { to, compress: 'zstd' }).done;
  const copies = await restore(archive(to), { criu: CRIU_42.path, copies: 4, lazy: { bytesPerSecond: 2 ** 23 } }).done;
  const [first, ...others] = copies.trees;
  await first?.kill('SIGTERM');
  expect(await first?.exited).toMatchObject({ kind: 'signaled', signal: 15 });
  await askAll(made, others);
  const { bytes } = await copies.filling.done;
  expect(bytes.dropped).toBeGreaterThan(0);
  expect(bytes.shared).toBeGreaterThan(0);
  // The first page that a task touches is in the same frame for all.
  expect(bytes.cached).toBeGreaterThan(0);
  expect(bytes.cached).toBeLessThanOrEqual(bytes.read);
  await askAll(made, others);
  await endAll({ ...copies, trees: others });
});

testWith([CRIU_42.here], 'when one copy fails, or on an abort, none is left', async () => {
  await using made = await copied(CRIU_42.path);
  // The third CRIU that is to restore something ends at once.
  const script = join(made.path, 'criu');
  const turns = `for turn in 1 2; do mkdir "${made.path}/$turn" 2>/dev/null && exec "${CRIU_42.path}" "$@"; done; exit 7`;
  writeFileSync(script, `#!/bin/sh\ncase "$*" in *swrk*) ${turns};; esac\nexec "${CRIU_42.path}" "$@"\n`);
  chmodSync(script, 0o755);
  const failing = restore(imagesDirectory(made.images), { criu: script, copies: 5 });
  await expect(failing.done).rejects.toMatchObject({ code: expect.stringMatching(/^CRIU_DIED$|^ABORTED$/) });
  expect(made.living()).toEqual([]);

  const abort = new AbortController();
  const aborted = restore(imagesDirectory(made.images), { criu: CRIU_42.path, copies: 8, signal: abort.signal });
  const followed = (async () => {
    for await (const { phase } of aborted) if (phase === 'restoring') abort.abort();
  })();
  await expect(followed).rejects.toMatchObject({ code: 'ABORTED' });
  expect(made.living()).toEqual([]);
});

testWith([CRIU_42.here], 'what cannot be there several times is refused before anything is done', async () => {
  const source = imagesDirectory('/nonexistent');
  for (const copies of [0, 1.5, 1001]) expect(() => restore(source, { copies })).toThrow(RangeError);
  expect(() => restore(source, { copies: 2, lazy: false })).toThrow(/eagerly/);
  expect(() => restore(source, { copies: 2, shellJob: true } as { copies: number })).toThrow(/shellJob/);
});
