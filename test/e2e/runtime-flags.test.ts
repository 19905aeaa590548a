// Every option of checkpoint and restore, through Frazil and by the runtime alone: the same status, the same words, the same files left
// behind; and the container is what it was.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { answers, type Container, type Outcome, RUNTIMES, SEATED, startContainer } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { seen } from '../helpers/seen.js';
import { tempDir } from '../helpers/temp-dir.js';

/** Behind `checkpoint --image-path IMAGES --leave-running`; DIR is a folder of this call. What a runtime does not have it refuses. */
const CHECKPOINT = [
  '--work-path DIR/work',
  '--tcp-established',
  '--tcp-skip-in-flight',
  '--ext-unix-sk',
  '--shell-job',
  '--file-locks',
  '--manage-cgroups-mode soft',
  '--manage-cgroups-mode full',
  '--manage-cgroups-mode strict',
  '--manage-cgroups-mode ignore',
  '--manage-cgroups-mode=soft',
  '--empty-ns network',
  '--auto-dedup',
  '--link-remap',
  '--network-lock nftables',
  '--network-lock=skip',
] as const;

/** Behind `restore -d --image-path IMAGES --bundle BUNDLE`. */
const RESTORE = [
  '--work-path DIR/work',
  '--tcp-established',
  '--tcp-close',
  '--ext-unix-sk',
  '--shell-job',
  '--file-locks',
  '--manage-cgroups-mode soft',
  '--empty-ns network',
  '--auto-dedup',
  '--no-subreaper',
  '--no-pivot',
  '--pid-file DIR/pid',
  '--lsm-profile apparmor:unconfined',
  '--lsm-mount-context x',
] as const;

type Way = 'frazil' | 'runtime';

function call(container: Container, way: Way, words: readonly string[]): Promise<Outcome> {
  return way === 'frazil' ? container.callBy(SEATED, ...words) : container.call(...words);
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];
  // Go's flag package takes one dash for two; crun's argp takes it for letters.
  const single = (flag: string): string => (runtime.name === 'runc' ? flag.slice(1) : flag);

  testWith(needs, 'checkpoint: the image path by default, and every option', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir);
    const byDefault = await container.callBy(SEATED, 'checkpoint', '--leave-running', container.id);
    expect(byDefault.status, byDefault.stderr).toBe(0);
    expect(existsSync(join(container.bundle, 'checkpoint/inventory.img'))).toBe(true);
    const made = async (way: Way, flag: string) => {
      const folder = dir.folder(`${way}${dashes(flag)}`);
      const words = `checkpoint --image-path ${folder}/images --leave-running ${flag.replace('DIR', folder)}`;
      return seen(await call(container, way, [...words.split(' '), container.id]), folder);
    };
    let done = 0;
    for (const flag of CHECKPOINT) {
      const real = await made('runtime', flag);
      expect(await made('frazil', flag), flag).toEqual(real);
      if (single(flag) !== flag) expect(await made('frazil', single(flag)), single(flag)).toEqual(real);
      done += real.status === 0 ? 1 : 0;
    }
    // Those that it has: runc 1.1 and crun 1.21.
    expect(done).toBeGreaterThanOrEqual(8);
    await answers(container);
  });

  testWith(needs, 'restore: every option', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir);
    const before = await container.ask('digest');
    const images = dir.folder('images');
    const checkpoint = async (): Promise<void> => {
      const { status, stderr } = await container.callBy(SEATED, 'checkpoint', '--image-path', images, container.id);
      expect(status, stderr).toBe(0);
    };
    await checkpoint();
    for (const flag of RESTORE) {
      const results = [];
      for (const way of ['runtime', 'frazil'] as const) {
        const folder = dir.folder(`${way}${dashes(flag)}`);
        const words = `restore -d --image-path ${images} --bundle ${container.bundle} ${single(flag).replace('DIR', folder)}`;
        const outcome = seen(await call(container, way, [...words.split(' '), container.id]), folder);
        results.push(outcome);
        if (outcome.status !== 0) {
          await container.call('delete', '--force', container.id);
          continue;
        }
        await answers(container);
        expect(await container.ask('digest'), flag).toEqual(before);
        const pid = (await container.state())?.pid;
        const pidFile = join(folder, 'pid');
        if (existsSync(pidFile)) expect(readFileSync(pidFile, 'utf8')).toBe(String(pid));
        await checkpoint();
      }
      expect(results[1], flag).toEqual(results[0]);
    }
  });
});

function dashes(flag: string): string {
  return flag.replaceAll(/\W+/g, '-');
}
