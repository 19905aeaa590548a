// A container on a terminal: its master goes to the engine's console socket, at the start and again at a restore.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { answers, makeContainer, type Outcome, RUNTIMES, SEATED } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { openConsole } from '../helpers/pts.js';
import { programOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'detached with a console socket, checkpointed and restored with another', async () => {
    await using dir = tempDir();
    await using container = await makeContainer(runtime, dir, {
      change: (spec) => {
        spec.process.terminal = true;
        spec.process.consoleSize = { height: 33, width: 132 };
        spec.process.args = ['/bin/job', '/tmp/control'];
      },
    });
    const { id, bundle } = container;
    copyFileSync(await programOf('job'), join(bundle, 'rootfs/bin/job'));
    const [first, second] = [join(dir.path, 'first'), join(dir.path, 'second')];
    await using console = await openConsole(first);
    const run = await container.call('run', '--detach', '--console-socket', first, '--bundle', bundle, id);
    expect(run.status, run.stderr).toBe(0);
    await console.shows('a terminal');
    await answers(container);
    console.type('one');
    await console.shows('job has line 1: one');
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
});
