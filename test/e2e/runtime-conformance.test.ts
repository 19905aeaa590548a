// One suite over every runtime: the eleven container operations and the two of checkpoints, on real containers.

import { openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect } from 'vitest';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { containers } from '../../src/runtime/containers.js';
import { checkpointOperations, hasCheckpoint } from '../../src/runtime/operations.js';
import { answers, criuConfig, makeContainer, RUNTIMES, type Spec, type TestRuntime } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

async function setUp(runtime: TestRuntime, dir: TempDir, change?: (spec: Spec) => void) {
  const container = await makeContainer(runtime, dir, change === undefined ? {} : { change });
  // For what the library starts.
  process.env['CRIU_CONFIG_FILE'] = criuConfig(container.bundle);
  const operations = await containers({
    runtime: runtime.name,
    path: runtime.program(dir),
    root: container.root,
    criu: CRIU_42.path,
  });
  return { container, operations };
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'nothing',
    (error: unknown) => (CheckpointError.is(error) ? error.code : error),
  );
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'create, start, state, list, ps, exec, pause, resume, kill, delete', async () => {
    await using dir = tempDir();
    const { container, operations } = await setUp(runtime, dir);
    await using held = container;
    const { id, bundle } = held;
    const pidFile = join(dir.path, 'pid');
    expect(await operations.create(id, { bundle, pidFile })).toEqual({ status: 0 });
    expect(await operations.state(id)).toMatchObject({ id, status: 'created', bundle });
    await operations.start(id);
    await answers(container);
    const { pid, status } = await operations.state(id);
    expect(status).toBe('running');
    expect((await operations.list()).map((one) => one.id)).toEqual([id]);
    expect(await operations.ps(id)).toContain(pid);
    const stdout = new PassThrough();
    const said = text(stdout);
    const command = ['/bin/busybox', 'sh', '-c', 'cat; exit 7'];
    expect(await operations.exec(id, { command, stdin: Readable.from(['word\n']), stdout })).toEqual({ status: 7 });
    stdout.end();
    expect(await said).toBe('word\n');
    await operations.pause(id);
    expect((await operations.state(id)).status).toBe('paused');
    await operations.resume(id);
    expect((await operations.state(id)).status).toBe('running');
    await operations.kill(id, 'KILL');
    await expect.poll(async () => (await operations.state(id)).status).toBe('stopped');
    await operations.delete(id);
    expect(await operations.list()).toEqual([]);
  });

  testWith(needs, 'run waits for the container and gives its status; fds are lent to it', async () => {
    await using dir = tempDir();
    const { container, operations } = await setUp(runtime, dir, (spec) => {
      spec.process.args = ['/bin/busybox', 'sh', '-c', 'cat <&3; exit 5'];
    });
    await using held = container;
    const path = join(dir.path, 'lent');
    await writeFile(path, 'through fd 3\n');
    const stdout = new PassThrough();
    const said = text(stdout);
    const lent = openSync(path, 'r');
    expect(await operations.run(held.id, { bundle: held.bundle, stdout, preserveFds: [lent] })).toEqual({ status: 5 });
    stdout.end();
    expect(await said).toBe('through fd 3\n');
  });

  testWith(needs, 'checkpoint and restore, and the runtime knows its container again', async () => {
    await using dir = tempDir();
    const { container, operations } = await setUp(runtime, dir);
    await using held = container;
    const { id, bundle } = held;
    await operations.run(id, { bundle, detach: true });
    await answers(container);
    const before = await container.ask('digest');
    const imagesDirectory = dir.folder('images');
    const able = checkpointOperations(operations);
    const { capture } = await able.checkpoint(id, { imagesDirectory }).done;
    expect(capture?.bytesReceived).toBeGreaterThan(8 * 2 ** 20);
    expect(await codeOf(operations.state(id))).toBe('RUNTIME_REFUSED');
    expect(await able.restore(id, { imagesDirectory, bundle, detach: true })).toEqual({ status: 0 });
    await answers(container);
    expect(await container.ask('digest')).toEqual(before);
    expect((await operations.state(id)).status).toBe('running');
  });

  testWith(needs, 'an abort in a checkpoint leaves the container running and no checkpoint', async () => {
    await using dir = tempDir();
    const { container, operations } = await setUp(runtime, dir);
    await using held = container;
    const { id, bundle } = held;
    await operations.run(id, { bundle, detach: true });
    await answers(container);
    const stop = new AbortController();
    const made = checkpointOperations(operations).checkpoint(id, {
      imagesDirectory: dir.folder('images'),
      signal: stop.signal,
    });
    for await (const progress of made) {
      if (progress.phase === 'freezing') break;
    }
    stop.abort(new Error('changed my mind'));
    expect(await codeOf(made.done)).toBe('ABORTED');
    await answers(container);
    expect((await operations.state(id)).status).toBe('running');
  });

  testWith(needs, 'refusals are typed, with the texts that programs compare', async () => {
    await using dir = tempDir();
    const { container, operations } = await setUp(runtime, dir);
    await using held = container;
    await expect(operations.state('')).rejects.toMatchObject({
      code: 'EMPTY_ID',
      message: 'container id cannot be empty',
    });
    expect(await codeOf(operations.start('no-such-container'))).toBe('RUNTIME_REFUSED');
    const { checkpoint: _1, restore: _2, ...without } = { checkpoint: 0, restore: 0, ...operations };
    expect(hasCheckpoint(without)).toBe(false);
    expect(() => checkpointOperations(without)).toThrow('command not implemented');
    expect(await codeOf(operations.run(held.id, { bundle: dir.folder('empty') }))).toBe('IO');
    const aborted = AbortSignal.abort();
    expect(await codeOf(operations.list({ signal: aborted }))).toBe('ABORTED');
  });
});
