// A container on a terminal: its master goes to the engine's console socket, at the start and again at a restore.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { receive } from '../../src/migrate/receive.js';
import { migrateContainer } from '../../src/runtime/moved/migrate.js';
import { ask } from '../helpers/ask.js';
import {
  answers,
  type Container,
  criuConfig,
  makeContainer,
  type Outcome,
  RUNTIMES,
  removeCgroups,
  SEATED,
  type TestRuntime,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { openConsole, type Shell } from '../helpers/pts.js';
import { programOf } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'detached with a console socket, checkpointed and restored with another', async () => {
    await using dir = tempDir();
    await using container = await makeJob(runtime, dir);
    const { id, bundle } = container;
    const [first, second] = [join(dir.path, 'first'), join(dir.path, 'second')];
    await using _console = await startJob(container, first);
    const before = await container.ask<{ failed: readonly string[] }>('verify');

    const images = dir.folder('images');
    expect((await container.callBy(SEATED, 'checkpoint', '--image-path', images, id)).status).toBe(0);
    const restore = (...words: string[]): Promise<Outcome> =>
      container.callBy(SEATED, 'restore', '--image-path', images, '--bundle', bundle, '-d', ...words, id);
    await using again = await openConsole(second);
    const back = await restore('--console-socket', second);
    expect(back.status, back.stderr).toBe(0);
    await again.shows('a terminal');
    await answers(container);
    again.type('two');
    await again.shows('job has line 2: two');
    expect(await container.ask('verify')).toEqual(before);
    expect((await container.state())?.status).toBe('running');
  });

  testWith(needs, 'moved to where another console socket is', async () => {
    await using dir = tempDir();
    await using container = await makeJob(runtime, dir);
    const [first, second] = [join(dir.path, 'first'), join(dir.path, 'second')];
    await using _console = await startJob(container, first);
    const before = await container.ask<{ failed: readonly string[] }>('verify');
    await using there = await openConsole(second);
    const [id, root, bundle] = [`${container.id}-2`, dir.folder('state-there'), join(dir.path, 'there')];
    const paths = { [runtime.name]: runtime.program(dir) };
    const criu = CRIU_42.path;
    await using _there = {
      [Symbol.asyncDispose]: async (): Promise<void> => {
        await container.call('--root', root, 'delete', '--force', id);
        removeCgroups(id);
      },
    };
    // For what the library starts.
    process.env['CRIU_CONFIG_FILE'] = criuConfig(container.bundle);
    try {
      const place = { bundle, id, root, paths, consoleSocket: second };
      await using receiver = await receive({ listen: `unix:${dir.path}/door`, criu, container: place });
      const moving = { to: receiver.address, roots: [container.root], paths, criu, maxDowntimeMs: 5000 };
      await migrateContainer(container.id, moving).done;
    } finally {
      delete process.env['CRIU_CONFIG_FILE'];
    }
    await there.shows('a terminal');
    const control = join(bundle, 'rootfs/tmp/control');
    await until('it answers', () => ask(control, 'pid').then(Boolean, () => false));
    there.type('two');
    await there.shows('job has line 2: two');
    expect(await ask(control, 'verify')).toEqual(before);
    expect(JSON.parse((await container.call('--root', root, 'state', id)).stdout)).toMatchObject({ status: 'running' });
    expect(await container.state()).toBeUndefined();
  });
});

async function makeJob(runtime: TestRuntime, dir: TempDir): Promise<Container> {
  const container = await makeContainer(runtime, dir, {
    change: (spec) => {
      spec.process.terminal = true;
      spec.process.consoleSize = { height: 33, width: 132 };
      spec.process.args = ['/bin/job', '/tmp/control'];
    },
  });
  copyFileSync(await programOf('job'), join(container.bundle, 'rootfs/bin/job'));
  return container;
}

/** Resolves when it has read a line from the terminal that goes to `socket`. */
async function startJob(container: Container, socket: string): Promise<Shell> {
  const { id, bundle } = container;
  const console = await openConsole(socket);
  const run = await container.call('run', '--detach', '--console-socket', socket, '--bundle', bundle, id);
  expect(run.status, run.stderr).toBe(0);
  await console.shows('a terminal');
  await answers(container);
  console.type('one');
  await console.shows('job has line 1: one');
  return console;
}
