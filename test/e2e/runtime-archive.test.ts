// Containers that somebody else has started: found by their id, checkpointed into an archive with what they have changed in their root, and
// restored into another bundle.

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { checkpointContainer } from '../../src/runtime/archived/checkpoint.js';
import { restoreContainer } from '../../src/runtime/archived/restore.js';
import { type FindCall, findContainer } from '../../src/runtime/find/find.js';
import { ask } from '../helpers/ask.js';
import {
  answers,
  type Container,
  criuConfig,
  makeContainer,
  RUNC,
  RUNTIMES,
  removeCgroups,
  type TestRuntime,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { FRAZIL } from '../helpers/frazil-cli.js';
import { testWith } from '../helpers/needs.js';
import { PODMAN, run, startPodman } from '../helpers/podman.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

interface Overlaid extends AsyncDisposable {
  readonly container: Container;
  /** The image's files. */
  readonly image: string;
  readonly find: FindCall;
}

/** A running container whose root is an overlay. */
async function startOverlaid(runtime: TestRuntime, dir: TempDir): Promise<Overlaid> {
  const container = await makeContainer(runtime, dir);
  const rootfs = join(container.bundle, 'rootfs');
  const [image, upper, work] = [join(dir.path, 'image'), dir.folder('upper'), dir.folder('work')];
  renameSync(rootfs, image);
  mkdirSync(join(image, 'etc'));
  execFileSync('sh', ['-c', `echo old >${image}/etc/changed; echo old >${image}/etc/removed`]);
  mkdirSync(rootfs);
  // For what the library starts.
  process.env['CRIU_CONFIG_FILE'] = criuConfig(container.bundle);
  execFileSync('mount', ['-t', 'overlay', '-o', `lowerdir=${image},upperdir=${upper},workdir=${work}`, 'none', rootfs]);
  const [file] = [runtime.program(dir)];
  const { status, stderr } = await container.call('run', '--detach', '--bundle', container.bundle, container.id);
  if (status !== 0) throw new Error(stderr);
  await answers(container);
  const script = 'echo new >/etc/changed; /bin/busybox rm /etc/removed; echo more >/etc/added';
  const changed = await container.call('exec', container.id, '/bin/busybox', 'sh', '-c', script);
  expect(changed.status, changed.stderr).toBe(0);
  return {
    container,
    image,
    find: { roots: [container.root], paths: { [runtime.name]: file }, criu: CRIU_42.path },
    async [Symbol.asyncDispose]() {
      await container[Symbol.asyncDispose]();
      execFileSync('umount', ['-l', rootfs]);
      delete process.env['CRIU_CONFIG_FILE'];
    },
  };
}

function scratchIn(folder: string): readonly string[] {
  return readdirSync(folder).filter((name) => name.startsWith('.frazil'));
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'left running, then for good; restored into a bundle of its own, files and all', async () => {
    await using dir = tempDir();
    await using overlaid = await startOverlaid(runtime, dir);
    const { container, image, find } = overlaid;
    const { id } = container;
    const before = await container.ask('digest');
    const [kept, last] = [join(dir.path, 'kept.tar'), join(dir.path, 'last.tar.zst')];
    const first = await checkpointContainer(id, { ...find, to: kept, leaveRunning: true }).done;
    expect(first).toMatchObject({ id, runtime: runtime.name, rootfs: true });
    expect(first.capture?.bytesReceived).toBeGreaterThan(8 * 2 ** 20);
    expect((await container.state())?.status).toBe('running');
    expect(await container.ask('digest')).toEqual(before);
    const names = execFileSync('tar', ['-tf', kept], { encoding: 'utf8' }).split('\n');
    expect(names).toEqual(expect.arrayContaining(['config.dump', 'spec.dump', 'rootfs-diff.tar', 'deleted.files']));
    expect(names).toEqual(expect.arrayContaining(['checkpoint/inventory.img', 'checkpoint/descriptors.json']));

    await checkpointContainer(id.slice(0, -2), { ...find, to: last }).done;
    expect(await container.state()).toBeUndefined();
    expect(scratchIn(dir.path)).toEqual([]);

    // Another host has the image and nothing of the container.
    const rootfs = join(dir.path, 'again');
    cpSync(image, rootfs, { recursive: true });
    const bundle = join(dir.path, 'new-bundle');
    const second = `${id}-2`;
    const { roots: [root = ''] = [], paths, criu = '' } = find;
    const path = paths?.[runtime.name] ?? '';
    const call = { runtime: runtime.name, path, root, criu, bundle, rootfs, detach: true };
    const report = await restoreContainer(archive(last), second, call).done;
    try {
      expect(report).toEqual({ id: second, status: 0, bundle, rootfs });
      expect((await findContainer(second, find)).state.status).toBe('running');
      const control = join(rootfs, 'tmp/control');
      await until('it answers', () => ask(control, 'pid').then(Boolean, () => false));
      expect(await ask(control, 'digest')).toEqual(before);
      expect(readFileSync(join(rootfs, 'etc/changed'), 'utf8')).toBe('new\n');
      expect(readFileSync(join(rootfs, 'etc/added'), 'utf8')).toBe('more\n');
      expect(existsSync(join(rootfs, 'etc/removed'))).toBe(false);
      const found = await findContainer(second, find);
      expect(found).toMatchObject({ bundle, rootfs, runtime: runtime.name, root });
      const inside = await container.call('exec', second, '/bin/busybox', 'cat', '/etc/changed');
      expect(inside).toMatchObject({ status: 0, stdout: 'new\n' });
    } finally {
      await container.call('delete', '--force', second);
      removeCgroups(second);
    }
  });

  testWith(needs, 'an archive that cannot be written leaves the container running, and nothing behind', async () => {
    await using dir = tempDir();
    await using overlaid = await startOverlaid(runtime, dir);
    const { container, find } = overlaid;
    const before = await container.ask('digest');
    const to = join(dir.path, 'there.tar');
    execFileSync('touch', [to]);
    const refused = checkpointContainer(container.id, { ...find, to }).done;
    await expect(refused).rejects.toMatchObject({ code: 'IMAGES_EXIST' });
    const wrong = checkpointContainer(container.id, {
      ...find,
      to: join(dir.path, 'x.tar'),
      shm: '/proc/nowhere',
    }).done;
    await expect(wrong).rejects.toMatchObject({ code: 'IO' });
    expect((await container.state())?.status).toBe('running');
    expect(await container.ask('digest')).toEqual(before);
    expect(scratchIn(dir.path)).toEqual([]);
    expect(existsSync(join(dir.path, 'x.tar'))).toBe(false);
  });

  testWith(needs, 'an archive does not lead out of the root over a link that is there', async () => {
    await using dir = tempDir();
    await using overlaid = await startOverlaid(runtime, dir);
    const { container, image, find } = overlaid;
    const to = join(dir.path, 'x.tar');
    await checkpointContainer(container.id, { ...find, to, leaveRunning: true }).done;
    const rootfs = join(dir.path, 'trap');
    const outside = dir.folder('outside');
    cpSync(image, rootfs, { recursive: true });
    rmSync(join(rootfs, 'etc'), { recursive: true });
    symlinkSync(outside, join(rootfs, 'etc'));
    const { roots: [root = ''] = [], paths } = find;
    const call = { runtime: runtime.name, path: paths?.[runtime.name] ?? '', root, rootfs, detach: true };
    const bundle = dir.folder('trap-bundle');
    const tried = restoreContainer(archive(to), `${container.id}-3`, { ...call, bundle }).done;
    await expect(tried).rejects.toMatchObject({ code: 'ARCHIVE_CORRUPT' });
    expect(readdirSync(outside)).toEqual([]);
    expect(readdirSync(bundle)).toEqual([]);
  });

  testWith(needs, 'found by its id or by the beginning of it, with what it is made of', async () => {
    await using dir = tempDir();
    await using overlaid = await startOverlaid(runtime, dir);
    const { container, find } = overlaid;
    const found = await findContainer(container.id.slice(0, -1), find);
    const state = await container.state();
    expect(found).toMatchObject({ id: container.id, runtime: runtime.name, root: container.root });
    expect(found).toMatchObject({ bundle: container.bundle, rootfs: join(container.bundle, 'rootfs') });
    expect(found.state.pid).toBe(state?.pid);
    expect(found.engine).toBeUndefined();
    expect(found.mounts.find(({ destination }) => destination === '/dev/shm')?.type).toBe('tmpfs');
    expect(found.namespaces.map(({ type }) => type)).toEqual(expect.arrayContaining(['pid', 'mount', 'network']));
    expect(found.cgroups.some(({ path }) => path.endsWith(`/${container.id}`))).toBe(true);
    await expect(findContainer('nobody', find)).rejects.toMatchObject({
      code: 'NO_SUCH_CONTAINER',
      detail: { candidates: [] },
    });
    const other = `${container.id}x`;
    await container.call('create', '--bundle', container.bundle, other);
    await expect(findContainer(container.id.slice(0, -1), find)).rejects.toMatchObject({
      code: 'NO_SUCH_CONTAINER',
      message: expect.stringContaining(other),
    });
    expect((await findContainer(container.id, find)).id).toBe(container.id);
    await container.call('delete', '--force', other);
  });
});

testWith([RUNC.here, CRIU_42.here], 'the command line: checkpoint --container, restore --container', async () => {
  await using dir = tempDir();
  await using overlaid = await startOverlaid(RUNC, dir);
  const { container, image } = overlaid;
  const { id, root } = container;
  const before = await container.ask('digest');
  const to = join(dir.path, 'a.tar.zst');
  const made = frazil('checkpoint', '--container', id, '--runtime-root', root, '-o', to);
  expect(made).toMatchObject({ status: 0, stderr: expect.stringContaining(`Checkpointed container ${id} to ${to}`) });
  expect(await container.state()).toBeUndefined();
  const rootfs = join(dir.path, 'again');
  cpSync(image, rootfs, { recursive: true });
  const bundle = dir.folder('bundle');
  const into = ['--container', id, '--bundle', bundle, '--rootfs', rootfs, '--runtime-root', root];
  const back = frazil('restore', to, ...into, '--restore-detached', '--pidfile', join(dir.path, 'pid'));
  expect(back).toMatchObject({ status: 0, stderr: expect.stringContaining(`Restored container ${id}`) });
  await until('it answers', () => ask(join(rootfs, 'tmp/control'), 'pid').then(Boolean, () => false));
  expect(await ask(join(rootfs, 'tmp/control'), 'digest')).toEqual(before);
  expect((await container.state())?.pid).toBe(Number(readFileSync(join(dir.path, 'pid'), 'utf8')));
  for (const [words, says] of [
    [['restore', to, '--bundle', bundle], '--bundle: it is for a container'],
    [['restore', ...into], 'an archive or --images-dir is needed'],
    [['restore', to, ...into, '--root', '/'], 'its runtime has no option for "root"'],
    [['restore', to, ...into, '--runtime', 'x'], '--runtime: one of runc, crun expected'],
    [['checkpoint', '--container', id, '-t', '1', '-o', to], 'a tree or a container, not both'],
    [['checkpoint', '--container', id, '-o', to, '--leave-stopped'], 'no option for "leaveStopped"'],
    [['checkpoint', '--container', id], 'needs a place'],
  ] as const)
    expect(frazil(...words)).toMatchObject({ status: 2, stderr: expect.stringContaining(says) });
  const none = frazil('checkpoint', '--container', 'nobody', '--runtime-root', root, '-o', to);
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('none has that id') });
});

function frazil(...words: string[]): { readonly status: number | null; readonly stderr: string } {
  const [node = '', ...program] = FRAZIL;
  const env = { ...process.env, FRAZIL_CRIU: CRIU_42.path };
  return spawnSync(node, [...program, ...words], { encoding: 'utf8', env });
}

testWith([PODMAN, CRIU_42.here], "frazil checkpoint --container takes Podman's containers, too", async () => {
  await using dir = tempDir();
  await using podman = await startPodman(dir);
  const { control } = await run(podman, 'a');
  const id = await podman.call('inspect', '--format', '{{.Id}}', 'a');
  const before = await ask(control, 'digest');
  await podman.call('exec', 'a', '/bin/busybox', 'touch', '/bin/added');
  const found = await findContainer(id.slice(0, 12), { roots: [podman.runtimeRoot] });
  expect(found).toMatchObject({ id, engine: 'podman', root: podman.runtimeRoot, runtime: 'runc' });
  const to = join(dir.path, 'a.tar.zst');
  const words = [
    'checkpoint',
    '--container',
    id.slice(0, 12),
    '--runtime-root',
    podman.runtimeRoot,
    '-o',
    to,
    '--json',
  ];
  const [node = '', ...program] = FRAZIL;
  const said = execFileSync(node, [...program, ...words, '--leave-running'], { encoding: 'utf8' });
  expect(JSON.parse(said)).toMatchObject({ id, engine: 'podman', rootfs: true });
  expect(await ask(control, 'digest')).toEqual(before);
  expect(await podman.call('inspect', '--format', '{{.State.Status}}', 'a')).toBe('running');
  const names = execFileSync('tar', ['--zstd', '-tf', to], { encoding: 'utf8' }).split('\n');
  expect(names).toEqual(
    expect.arrayContaining(['rootfs-diff.tar', 'devshm-checkpoint.tar', 'checkpoint/inventory.img']),
  );
});
