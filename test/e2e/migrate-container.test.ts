// Containers of real runtimes, moved between two places of one machine: by one Frazil that sends and another that receives.

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { ContainerDestination } from '../../src/migrate/destination/options.js';
import { type Arrival, receive } from '../../src/migrate/receive.js';
import { migrateContainer } from '../../src/runtime/moved/migrate.js';
import { ask } from '../helpers/ask.js';
import {
  answers,
  type Container,
  criuConfig,
  makeContainer,
  RUNTIMES,
  removeCgroups,
  type Spec,
  startContainer,
  type TestRuntime,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

interface Stage {
  readonly dir: TempDir;
  readonly runtime: TestRuntime;
  readonly container: Container;
}

interface There extends ContainerDestination, AsyncDisposable {
  readonly id: string;
  readonly root: string;
  call(...words: string[]): ReturnType<Container['call']>;
}

function placeOf({ dir, runtime, container }: Stage): There {
  const id = `${container.id}-2`;
  const root = dir.folder('state-there');
  const call = (...words: string[]) => container.call('--root', root, ...words);
  const paths = { [runtime.name]: runtime.program(dir) };
  const asyncDispose = async (): Promise<void> => {
    await call('delete', '--force', id);
    removeCgroups(id);
  };
  return { bundle: join(dir.path, 'there'), id, root, paths, call, [Symbol.asyncDispose]: asyncDispose };
}

interface Moving {
  readonly place?: ContainerDestination;
  /** Called when the first iteration has ended. */
  readonly during?: () => void;
  readonly options?: object;
}

async function move({ dir, runtime, container }: Stage, { place, during, options }: Moving) {
  // For what the library starts.
  process.env['CRIU_CONFIG_FILE'] = criuConfig(container.bundle);
  const listening = { listen: `unix:${dir.path}/door`, criu: CRIU_42.path };
  await using receiver = await receive(place === undefined ? listening : { ...listening, container: place });
  const arriving = receiver.arrivals().next();
  const run = migrateContainer(container.id, {
    to: receiver.address,
    roots: [container.root],
    paths: { [runtime.name]: runtime.program(dir) },
    criu: CRIU_42.path,
    maxDowntimeMs: 2000,
    ...options,
  });
  run.done.catch(() => {});
  let seen = false;
  try {
    for await (const { phase } of run) {
      if (phase === 'iterating' && !seen) during?.();
      seen ||= phase === 'iterating';
    }
    const report = await run.done;
    return { report, arrival: (await arriving).value as Arrival };
  } finally {
    delete process.env['CRIU_CONFIG_FILE'];
  }
}

async function answersAt(control: string, digest: unknown): Promise<void> {
  await until('it answers', () => ask(control, 'pid').then(Boolean, () => false));
  expect(await ask(control, 'digest')).toEqual(digest);
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'a container with its root filesystem; its runtime knows it there, and no more here', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, { mebibytes: 32 });
    const before = await container.ask('digest');
    await using place = placeOf({ dir, runtime, container });
    const { report, arrival } = await move({ dir, runtime, container }, { place });
    expect(report).toMatchObject({ id: container.id, runtime: runtime.name, mode: 'pre-copy' });
    expect(arrival).toMatchObject({ kind: 'running', container: { id: place.id, bundle: place.bundle } });
    expect(await container.state()).toBeUndefined();
    await answersAt(join(place.bundle, 'rootfs/tmp/control'), before);
    const state = JSON.parse((await place.call('state', place.id)).stdout);
    expect(state).toMatchObject({ status: 'running', bundle: place.bundle });
    const inside = await place.call('exec', place.id, '/bin/busybox', 'echo', 'inside');
    expect(inside).toMatchObject({ status: 0, stdout: 'inside\n' });
    expect((await place.call('kill', place.id, 'KILL')).status).toBe(0);
    expect(readdirSync(place.bundle).sort()).toEqual(['config.json', 'rootfs']);
  });

  testWith(needs, 'what it has changed in its root, and a volume: also while it moves', async () => {
    await using dir = tempDir();
    const volume = dir.folder('data');
    await using container = await makeContainer(runtime, dir, {
      change: ({ mounts }) =>
        mounts.push({ destination: '/data', type: 'bind', source: volume, options: ['rbind', 'rw'] }),
    });
    await using overlay = overlaid(dir, join(container.bundle, 'rootfs'));
    for (const name of ['kept', 'gone', 'changed']) writeFileSync(join(volume, name), 'old');
    const started = await container.call('run', '--detach', '--bundle', container.bundle, container.id);
    expect(started.status, started.stderr).toBe(0);
    await answers(container);
    const script = 'echo new >/etc/changed; /bin/busybox rm /etc/removed; echo more >/etc/added';
    expect((await container.call('exec', container.id, '/bin/busybox', 'sh', '-c', script)).status).toBe(0);
    const before = await container.ask('digest');
    await using place = placeOf({ dir, runtime, container });
    const rootfs = join(dir.path, 'image-there');
    cpSync(overlay.image, rootfs, { recursive: true });
    const during = (): void => {
      rmSync(join(volume, 'gone'));
      writeFileSync(join(volume, 'changed'), 'new');
      mkdirSync(join(volume, 'late'));
      writeFileSync(join(volume, 'late/file'), 'late');
      writeFileSync(join(container.bundle, 'rootfs/etc/late'), 'late');
      rmSync(join(container.bundle, 'rootfs/etc/added'));
    };
    const volumes = [{ name: 'mine', path: volume }];
    await move({ dir, runtime, container }, { place: { ...place, rootfs }, during, options: { volumes } });
    await answersAt(join(rootfs, 'tmp/control'), before);
    const there = join(place.bundle, 'volumes/mine');
    expect(readdirSync(there).sort()).toEqual(['changed', 'kept', 'late']);
    expect(readFileSync(join(there, 'changed'), 'utf8')).toBe('new');
    expect(readFileSync(join(there, 'late/file'), 'utf8')).toBe('late');
    expect(readdirSync(join(rootfs, 'etc')).sort()).toEqual(['changed', 'late']);
    expect(readFileSync(join(rootfs, 'etc/changed'), 'utf8')).toBe('new\n');
    const inside = await place.call('exec', place.id, '/bin/busybox', 'cat', '/data/changed', '/etc/changed');
    expect(inside).toMatchObject({ status: 0, stdout: 'newnew\n' });
  });

  testWith(needs, 'what goes wrong leaves it running here, with its state, and nothing there', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir);
    const before = await container.ask('digest');
    await using place = placeOf({ dir, runtime, container });
    const stage = { dir, runtime, container };
    const stop = new AbortController();
    const failing: readonly [Moving, object][] = [
      [{}, { code: 'RESTORE_REFUSED', message: expect.stringContaining('--bundle DIR') }],
      [{ place: { ...place, root: container.root, id: container.id } }, { code: 'RESTORE_REFUSED' }],
      [{ place, during: () => stop.abort(), options: { signal: stop.signal } }, { code: 'ABORTED' }],
      [{ place, options: { networkSwitch: 'test "$FRAZIL_NETWORK_STEP" != leave' } }, { code: 'IO' }],
      [{ place, options: { volumes: [{ name: 'x', path: '/nowhere' }] } }, { name: 'RangeError' }],
    ];
    for (const [moving, expected] of failing) {
      const reason = await move(stage, moving).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(reason).toMatchObject(expected);
      expect((await container.state())?.status).toBe('running');
      expect(await container.ask('digest')).toEqual(before);
      expect((await place.call('state', place.id)).status).not.toBe(0);
      expect(existsSync(place.bundle) ? readdirSync(place.bundle) : []).toEqual([]);
    }
    withTerminal(container, true);
    const message = expect.stringContaining('--console-socket PATH');
    await expect(move(stage, { place })).rejects.toMatchObject({ code: 'RESTORE_REFUSED', message });
    withTerminal(container, false);
    await move(stage, { place });
    await answersAt(join(place.bundle, 'rootfs/tmp/control'), before);
  });
});

function withTerminal({ bundle }: Container, terminal: boolean): void {
  const path = join(bundle, 'config.json');
  const spec: Spec = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...spec, process: { ...spec.process, terminal } }));
}

/** Mounts an overlay over it, with files in its image. */
function overlaid(dir: TempDir, rootfs: string): AsyncDisposable & { readonly image: string } {
  const [image, upper, work] = [join(dir.path, 'image'), dir.folder('upper'), dir.folder('work')];
  renameSync(rootfs, image);
  mkdirSync(join(image, 'etc'));
  for (const name of ['changed', 'removed']) writeFileSync(join(image, 'etc', name), 'old\n');
  for (const folder of [rootfs, join(image, 'data')]) mkdirSync(folder);
  execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${image},upperdir=${upper},workdir=${work}`, 'none', rootfs]);
  return { image, [Symbol.asyncDispose]: async () => void execFileSync('umount', ['-l', rootfs]) };
}
