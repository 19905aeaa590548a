// Containers that run before their memory is there, out of images and out of archives; and what becomes of one that loses its pages.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Archive, archive } from '../../src/archive/archive.js';
import { type ImagesDirectory, imagesDirectory } from '../../src/criu/target.js';
import { checkpointContainer } from '../../src/runtime/archived/checkpoint.js';
import { restoreContainer } from '../../src/runtime/archived/restore.js';
import {
  answers,
  type Container,
  criuConfig,
  RUNTIMES,
  startContainer,
  type TestRuntime,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { childrenOf, commandOf } from '../helpers/procfs.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const MEBIBYTES = 64;
/** So slow that a container still waits for most of its pages when it is looked at. */
const SLOW = 2 ** 20;

async function intoArchive(runtime: TestRuntime, dir: TempDir, container: Container, to: string): Promise<void> {
  const paths = { [runtime.name]: runtime.program(dir) };
  await configured(
    container,
    () => checkpointContainer(container.id, { to, roots: [container.root], paths, criu: CRIU_42.path }).done,
  );
}

function instantly(
  runtime: TestRuntime,
  dir: TempDir,
  {
    container,
    from,
    bytesPerSecond,
  }: {
    readonly container: Container;
    readonly from: Archive | ImagesDirectory;
    readonly bytesPerSecond?: number;
  },
) {
  const given = { runtime: runtime.name, path: runtime.program(dir), root: container.root, criu: CRIU_42.path };
  const lazy = bytesPerSecond === undefined ? true : { bytesPerSecond };
  const call = { ...given, bundle: container.bundle, detach: true, lazy };
  return configured(container, () => restoreContainer(from, container.id, call).done);
}

/** With the configuration of CRIU that a container needs on this host, for what the library starts. */
async function configured<T>({ bundle }: Container, run: () => Promise<T>): Promise<T> {
  process.env['CRIU_CONFIG_FILE'] = criuConfig(bundle);
  try {
    return await run();
  } finally {
    delete process.env['CRIU_CONFIG_FILE'];
  }
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  for (const name of ['x.tar', 'x.tar.zst', 'x.tar.gz']) {
    testWith(needs, `out of ${name}: known to its runtime while it fills, and after`, async () => {
      await using dir = tempDir();
      await using container = await startContainer(runtime, dir, { mebibytes: MEBIBYTES });
      const before = await container.ask('digest');
      const from = join(dir.path, name);
      await intoArchive(runtime, dir, container, from);
      expect(await container.state()).toBeUndefined();
      const { filling } = await instantly(runtime, dir, { container, from: archive(from), bytesPerSecond: 8 * SLOW });
      await expectKnown(container);
      await answers(container);
      expect(await container.ask('digest')).toEqual(before);
      expect((await filling?.done)?.bytes.total).toBeGreaterThan((MEBIBYTES / 2) * 2 ** 20);
      await expectKnown(container);
      await expectEnded(container);
    });
  }

  testWith(needs, 'out of an images directory; one without a bundle is refused', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, { mebibytes: MEBIBYTES });
    const before = await container.ask('digest');
    const images = dir.folder('images');
    const made = await container.call('checkpoint', '--image-path', images, container.id);
    expect(made.status, made.stderr).toBe(0);
    const from = imagesDirectory(images);
    const nowhere = { ...container, bundle: dir.folder('empty') };
    await expect(instantly(runtime, dir, { container: nowhere, from })).rejects.toMatchObject({ code: 'IO' });
    const { filling } = await instantly(runtime, dir, { container, from });
    await answers(container);
    expect(await container.ask('digest')).toEqual(before);
    expect((await filling?.done)?.bytes.total).toBeGreaterThan((MEBIBYTES / 2) * 2 ** 20);
    await expectEnded(container);
  });

  testWith(needs, 'that loses its pages is killed, which its runtime and the error say', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, { mebibytes: MEBIBYTES });
    const from = join(dir.path, 'x.tar');
    await intoArchive(runtime, dir, container, from);
    const services = new Set(servers());
    const { filling } = await instantly(runtime, dir, { container, from: archive(from), bytesPerSecond: SLOW });
    const failed = expect(filling?.done).rejects.toMatchObject({
      code: 'LAZY_FAILED',
      message: expect.stringContaining(`${from}": `),
    });
    // The guardian, whose child serves.
    const [guardian = -1] = servers().filter((pid) => !services.has(pid));
    const [server = -1] = childrenOf(guardian);
    process.kill(server, 'SIGKILL');
    await until('its runtime says so', async () => (await container.state())?.status === 'stopped');
    await failed;
  });

  testWith(needs, 'in the foreground is refused before anything happens', async () => {
    await using dir = tempDir();
    const call = { bundle: dir.path, lazy: true } as const;
    expect(() => restoreContainer(archive(join(dir.path, 'none.tar')), 'x', call)).toThrow(RangeError);
    expect(readdirSync(dir.path)).toEqual([]);
  });
});

function servers(): readonly number[] {
  return childrenOf(process.pid).filter((pid) => commandOf(pid)[0] === 'frazil-lazy');
}

async function expectKnown(container: Container): Promise<void> {
  expect((await container.state())?.status).toBe('running');
  const inside = await container.call('exec', container.id, '/bin/busybox', 'echo', 'inside');
  expect(inside).toMatchObject({ status: 0, stdout: 'inside\n' });
}

async function expectEnded(container: Container): Promise<void> {
  expect((await container.call('kill', container.id, 'KILL')).status).toBe(0);
  await until('it has ended', async () => (await container.state())?.status === 'stopped');
  expect((await container.call('delete', container.id)).status).toBe(0);
  expect(await container.state()).toBeUndefined();
}
