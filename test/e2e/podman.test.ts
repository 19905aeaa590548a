// Archives between Podman and Frazil, both ways, with real containers.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { extractArchive, verifyArchive } from '../../src/archive/lazily.js';
import { restore } from '../../src/criu/restore.js';
import { decodeImage } from '../../src/images/codec/decode.js';
import { containers } from '../../src/runtime/containers.js';
import { checkpointOperations } from '../../src/runtime/operations.js';
import { ask } from '../helpers/ask.js';
import { RUNC } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { PODMAN, run, running, startPodman } from '../helpers/podman.js';
import { tempDir } from '../helpers/temp-dir.js';

const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const;

testWith([PODMAN, CRIU_42.here], "Podman's archives are read and verified, whatever compresses them", async () => {
  await using dir = tempDir();
  await using podman = await startPodman(dir);
  await run(podman, 'a');
  for (const compress of COMPRESSIONS) {
    const path = join(dir.path, `${compress}.tar.gz`);
    await podman.call('container', 'checkpoint', '--leave-running', '--compress', compress, '--export', path, 'a');
    const { profile, members } = await verifyArchive(archive(path)).done;
    expect(profile).toBe('podman');
    expect(members.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['config.dump', 'spec.dump', 'network.status', 'checkpoint/inventory.img']),
    );
  }
});

// What Podman and runc would have set up for the processes: the root filesystem as a mount, the mounts from outside, a network namespace, the
// ends of conmon's pipes. Where each leads to is in spec.dump.
testWith([PODMAN, CRIU_42.here], "the processes of Podman's archive come back without Podman", async () => {
  await using dir = tempDir();
  await using podman = await startPodman(dir);
  const { control } = await run(podman, 'a');
  const before = await ask(control, 'digest');
  const path = join(dir.path, 'a.tar.gz');
  await podman.call('container', 'checkpoint', '--export', path, 'a');
  await podman.call('rm', 'a');
  const out = join(dir.path, 'out');
  await extractArchive(archive(path), out).done;
  execFileSync('tar', ['-C', podman.rootfs, '-xf', join(out, 'rootfs-diff.tar')]);
  // Podman makes the root and the points of its mounts anew.
  chmodSync(podman.rootfs, 0o555);
  for (const point of ['run/.containerenv', 'etc/hosts', 'etc/hostname']) writeFileSync(join(podman.rootfs, point), '');
  execFileSync('mount', ['--bind', podman.rootfs, podman.rootfs]);
  const fds = outsideFds(out);
  try {
    const tree = await restore(archive(path), {
      root: podman.rootfs,
      external: externalMounts(out),
      inheritFd: fds.map(({ key, fd }) => ({ key, fd })),
      manageCgroups: 'ignore',
    }).done;
    expect(await ask(join(podman.rootfs, 'tmp/control'), 'digest')).toEqual(before);
    await tree.kill();
    await tree.exited;
  } finally {
    for (const { fd } of fds) closeSync(fd);
    execFileSync('umount', ['-R', podman.rootfs]);
  }
});

interface SpecDump {
  readonly mounts: readonly { readonly destination: string; readonly type: string; readonly source: string }[];
}

function externalMounts(out: string): readonly string[] {
  const spec: SpecDump = JSON.parse(readFileSync(join(out, 'spec.dump'), 'utf8'));
  const own = join(out, 'own');
  mkdirSync(own);
  const name = readdirSync(join(out, 'checkpoint')).find((one) => one.startsWith('mountpoints-')) ?? '';
  const { entries } = decodeImage(readFileSync(join(out, 'checkpoint', name)), name);
  return entries.flatMap(({ message }) => {
    const key = 'ext_key' in message ? message.ext_key : undefined;
    if (typeof key !== 'string') return [];
    const bound = spec.mounts.find(({ destination, type }) => destination === key && type === 'bind');
    return [`mnt[${key}]:${bound === undefined ? key : standIn(bound.source, own)}`];
  });
}

// Podman has removed what it made for the container.
function standIn(source: string, own: string): string {
  if (existsSync(source)) return source;
  const path = join(own, basename(source));
  if (source.endsWith('/shm')) mkdirSync(path);
  else writeFileSync(path, '');
  return path;
}

function outsideFds(out: string): readonly { readonly key: string; readonly fd: number }[] {
  const names: readonly string[] = JSON.parse(readFileSync(join(out, 'checkpoint/descriptors.json'), 'utf8'));
  const pipes = names.filter((one) => one.startsWith('pipe:'));
  return [
    ...pipes.map((key) => ({ key, fd: openSync('/dev/null', 'r+') })),
    { key: 'extRootNetNS', fd: openSync('/proc/self/ns/net', 'r') },
  ];
}

testWith([PODMAN, CRIU_42.here], 'Podman imports an archive that Frazil has made for it', async () => {
  await using dir = tempDir();
  await using podman = await startPodman(dir);
  const { control } = await run(podman, 'a');
  const before = await ask(control, 'digest');
  const theirs = join(dir.path, 'theirs.tar.gz');
  await podman.call('container', 'checkpoint', '--export', theirs, 'a');
  await podman.call('rm', 'a');
  const out = join(dir.path, 'out');
  await extractArchive(archive(theirs), out).done;
  const rest = ['config.dump', 'spec.dump', 'network.status', 'devshm-checkpoint.tar', 'rootfs-diff.tar'];
  const members = rest.map((name) => ({ name, path: join(out, name) }));
  for (const name of ['b.tar', 'b.tar.zst', 'b.tar.gz']) {
    const ours = join(dir.path, name);
    await createArchive(join(out, 'checkpoint'), { to: ours, profile: 'podman', members, workDir: out }).done;
    await podman.call('container', 'restore', '--import', ours, '--name', 'b');
    const restored = await running(podman, 'b');
    expect(await ask(restored.control, 'digest')).toEqual(before);
    await podman.call('rm', '--force', '--time', '0', 'b');
  }
});

// The whole of what Podman does itself: the processes, what the container has changed in its root, a volume, /dev/shm. The dump is made through
// runc, as Podman has started the container by it; what only Podman knows of a container it has told before, in an archive of its own.
testWith(
  [PODMAN, RUNC.here, CRIU_42.here],
  "Frazil checkpoints Podman's container, and Podman goes on with it",
  async () => {
    await using dir = tempDir();
    await using podman = await startPodman(dir, (rootfs) => {
      execFileSync(
        'sh',
        ['-ec', 'mkdir opt opt/gone opt/emptied; for f in gone/x emptied/old changed; do echo $f > opt/$f; done'],
        {
          cwd: rootfs,
        },
      );
    });
    const { control } = await run(podman, 'a', '--volume', 'data:/data');
    const earlier = join(dir.path, 'earlier.tar');
    await podman.call('container', 'checkpoint', '--leave-running', '--ignore-volumes', '--export', earlier, 'a');
    await podman.call('exec', 'a', 'sh', '-ec', CHANGES);
    await ask(control, 'dirty 500');
    const before = await ask(control, 'digest');
    const seen = await podman.call('exec', 'a', 'sh', '-ec', LOOK);

    const id = await podman.call('inspect', '--format', '{{.Id}}', 'a');
    const operations = await containers({
      runtime: 'runc',
      path: RUNC.program(dir),
      root: podman.runtimeRoot,
      criu: CRIU_42.path,
    });
    const imagesDirectory = dir.folder('images');
    await checkpointOperations(operations).checkpoint(id, { imagesDirectory, leaveRunning: true }).done;
    const told = join(dir.path, 'told');
    await extractArchive(archive(earlier), told).done;
    const rootfs = await podman.call('inspect', '--format', '{{.GraphDriver.Data.MergedDir}}', 'a');
    const ours = join(dir.path, 'ours.tar.zst');
    await createArchive(imagesDirectory, {
      to: ours,
      profile: 'podman',
      members: ['config.dump', 'spec.dump'].map((name) => ({ name, path: join(told, name) })),
      rootfs,
      volumes: [{ name: 'data', path: await podman.call('volume', 'inspect', '--format', '{{.Mountpoint}}', 'data') }],
      shm: JSON.parse(readFileSync(join(told, 'config.dump'), 'utf8')).ShmDir,
    }).done;
    await podman.call('rm', '--force', '--time', '0', '--volumes', 'a');
    await podman.call('volume', 'rm', '--force', 'data');

    await podman.call('container', 'restore', '--import', ours, '--name', 'b');
    const restored = await running(podman, 'b');
    expect(await ask(restored.control, 'digest')).toEqual(before);
    expect(await podman.call('exec', 'b', 'sh', '-ec', LOOK)).toBe(seen);
  },
);

const CHANGES = `
cd /opt; rm -r gone; rm -r emptied; mkdir emptied; echo new > emptied/new; echo more >> changed; chmod 4711 changed
mkdir -p fresh/folder; echo f > fresh/f; ln fresh/f fresh/hard; ln -s f fresh/soft; mkfifo fresh/fifo; chown 5:6 fresh/f
echo v > /data/v; echo s > /dev/shm/s
`;
const LOOK = `
cd /; for f in $(find opt data dev/shm | sort); do stat -c '%n %F %a %u:%g' $f; done
cat opt/emptied/new opt/changed opt/fresh/hard data/v dev/shm/s; ls opt opt/emptied
`;
