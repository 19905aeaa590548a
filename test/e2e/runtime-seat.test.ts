// Real runtimes whose CRIU is in Frazil's hands: what they checkpoint through us they can restore by themselves, and the other way round.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { answers, type Container, RUNTIMES, SEATED, startContainer } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { tempDir } from '../helpers/temp-dir.js';

interface Digest {
  readonly digest: string;
}

async function digestOf(container: Container): Promise<string> {
  return (await container.ask<Digest>('digest')).digest;
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'what Frazil has checkpointed the runtime restores by itself', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, { mebibytes: 100 });
    const images = dir.folder('images');
    const before = await digestOf(container);
    const made = await container.callBy(SEATED, 'checkpoint', '--image-path', images, container.id);
    expect(made).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await container.state()).toBeUndefined();
    // The page plane was in the middle: it knows zero pages, which CRIU's own pages file has, and its files are 0600.
    const pages = statSync(join(images, 'pages-1.img'));
    expect(pages.mode & 0o777).toBe(0o600);
    expect(pages.size).toBeGreaterThan(70 * 2 ** 20);
    expect(existsSync(join(images, 'descriptors.json'))).toBe(true);
    const back = await container.call(
      'restore',
      '--detach',
      '--image-path',
      images,
      '-b',
      container.bundle,
      container.id,
    );
    expect(back.status, back.stderr).toBe(0);
    await answers(container);
    expect(await digestOf(container)).toBe(before);
    expect((await container.state())?.status).toBe('running');
  });

  testWith(
    needs,
    'what the runtime has checkpointed by itself is restored through Frazil, and stays its container',
    async () => {
      await using dir = tempDir();
      await using container = await startContainer(runtime, dir);
      const images = dir.folder('images');
      const before = await digestOf(container);
      const made = await container.call('checkpoint', '--image-path', images, container.id);
      expect(made.status, made.stderr).toBe(0);
      const back = await container.callBy(
        SEATED,
        'restore',
        '-d',
        '--image-path',
        images,
        '-b',
        container.bundle,
        container.id,
      );
      expect(back.status, back.stderr).toBe(0);
      await answers(container);
      expect(await digestOf(container)).toBe(before);
      expect((await container.state())?.status).toBe('running');
      const inside = await container.call('exec', container.id, '/bin/busybox', 'echo', 'here');
      expect(inside).toMatchObject({ status: 0, stdout: 'here\n' });
      expect((await container.call('kill', container.id, 'KILL')).status).toBe(0);
      await expect.poll(async () => (await container.state())?.status).toBe('stopped');
      expect((await container.call('delete', container.id)).status).toBe(0);
      expect(await container.state()).toBeUndefined();
    },
  );

  testWith(needs, 'leave-running twice in a row: the second replaces the first, the container runs on', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir);
    const images = dir.folder('images');
    for (const _ of [1, 2]) {
      const made = await container.callBy(
        SEATED,
        'checkpoint',
        '--leave-running',
        '--image-path',
        images,
        container.id,
      );
      expect(made.status, made.stderr).toBe(0);
      expect((await container.state())?.status).toBe('running');
      expect(existsSync(join(images, 'inventory.img'))).toBe(true);
    }
    await container.ask('dirty 100');
    const before = await digestOf(container);
    const last = await container.callBy(SEATED, 'checkpoint', '--image-path', images, container.id);
    expect(last.status, last.stderr).toBe(0);
    const back = await container.callBy(
      SEATED,
      'restore',
      '-d',
      '--image-path',
      images,
      '-b',
      container.bundle,
      container.id,
    );
    expect(back.status, back.stderr).toBe(0);
    await answers(container);
    expect(await digestOf(container)).toBe(before);
  });

  testWith(needs, "a dump that CRIU refuses is told in the runtime's words, and the container runs on", async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, {
      // A file without a name and larger than CRIU's limit for those.
      change: (spec) => {
        const open =
          '/bin/busybox dd if=/dev/zero of=/tmp/x bs=1000000 count=3 conv=fsync; exec 7</tmp/x; /bin/busybox rm /tmp/x';
        spec.process.args = ['/bin/busybox', 'sh', '-c', `${open}; ${spec.process.args.join(' ')} & wait`];
      },
    });
    const images = dir.folder('images');
    const made = await container.callBy(SEATED, 'checkpoint', '--image-path', images, container.id);
    const real = await container.call('checkpoint', '--image-path', dir.folder('again'), container.id);
    expect(real.status).not.toBe(0);
    expect(made.status).toBe(real.status);
    expect(lastLine(made.stderr)).toBe(lastLine(real.stderr)?.replace('/again/', '/images/'));
    expect(readFileSync(join(images, 'dump.log'), 'utf8')).not.toContain('Error (frazil)');
    expect(existsSync(join(images, 'inventory.img'))).toBe(false);
    expect((await container.state())?.status).toBe('running');
    await answers(container);
  });
});

function lastLine(text: string): string | undefined {
  return text
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/time="[^"]*"/, 'time');
}
