// What surrounds a container's processes comes back as it was: mounts of every kind, masked paths, namespaces of its own and of
// somebody else, the network. Checkpointed and restored through Frazil; what the container sees of its world is compared.

import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import {
  answers,
  type Container,
  type Outcome,
  RUNTIMES,
  SEATED,
  type Spec,
  startContainer,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { openNamespaces } from '../helpers/namespaces.js';
import { testWith } from '../helpers/needs.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

/** Through Frazil there and back, or by the runtime alone; the runtime's state is right at each step. */
async function thereAndBack(container: Container, dir: TempDir, by: 'frazil' | 'runtime' = 'frazil'): Promise<void> {
  const images = dir.folder(`images-${by}`);
  const call = (...args: string[]): Promise<Outcome> =>
    by === 'frazil' ? container.callBy(SEATED, ...args) : container.call(...args);
  const made = await call('checkpoint', '--image-path', images, container.id);
  expect(made.status, made.stderr).toBe(0);
  expect(await container.state()).toBeUndefined();
  const back = await call('restore', '-d', '--image-path', images, '--bundle', container.bundle, container.id);
  expect(back.status, back.stderr).toBe(0);
  await answers(container);
  expect((await container.state())?.status).toBe('running');
}

/** What a shell in the container says. */
async function inside(container: Container, script: string): Promise<string> {
  const { status, stdout, stderr } = await container.call('exec', container.id, '/bin/busybox', 'sh', '-c', script);
  expect(status, stderr).toBe(0);
  return stdout;
}

async function namespaceOf(container: Container, kind: string): Promise<string> {
  const { pid = 0 } = (await container.state()) ?? {};
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

function withNamespace(spec: Spec, type: string, path?: string): void {
  spec.linux.namespaces = spec.linux.namespaces.filter((namespace) => namespace.type !== type);
  spec.linux.namespaces.push({ type, ...(path !== undefined && { path }) });
}

// Mount points with their types and options, in whatever order; the numbers of mounts and devices are the kernel's. Which /dev/null
// covers a masked file is the runtime's choice, and not the same after a restore.
const MOUNTS = `/bin/busybox sed -E '/ \\/null /d; s/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //; s/(master|shared):[0-9]+ //' /proc/self/mountinfo | /bin/busybox sort`;

// runc binds the container's cgroup of each hierarchy there, and after a restore of its own it is the whole hierarchy.
function withoutGroups(text: string): string {
  return text.replaceAll(/^.* \/sys\/fs\/cgroup\/.*\n/gm, '');
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'bind mounts, tmpfs and masked paths', async () => {
    await using dir = tempDir();
    const [writable, readable] = [dir.folder('writable'), dir.folder('readable')];
    writeFileSync(join(readable, 'file'), 'of the host\n');
    await using container = await startContainer(runtime, dir, {
      change: (spec) => {
        spec.mounts.push(
          { destination: '/writable', type: 'bind', source: writable, options: ['rbind', 'rw'] },
          { destination: '/readable', type: 'bind', source: readable, options: ['bind', 'ro', 'nosuid'] },
          { destination: '/etc/one', type: 'bind', source: join(readable, 'file'), options: ['bind', 'ro'] },
          { destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=8m', 'mode=1777'] },
        );
        // A file of the kernel, a folder, one that is not there.
        spec.linux.maskedPaths = ['/proc/timer_list', '/sys/kernel', '/proc/nowhere'];
      },
    });
    await inside(container, 'echo mine >/scratch/file; mkdir /scratch/folder; echo theirs >/writable/file');
    const look = [
      MOUNTS,
      'cat /scratch/file /writable/file /readable/file /etc/one',
      '/bin/busybox ls -la /scratch | /bin/busybox sed 1,3d',
      '/bin/busybox wc -c </proc/timer_list',
      '/bin/busybox ls /sys/kernel',
      'if echo x 2>/dev/null >/readable/file; then echo writable; else echo read-only; fi',
    ].join(' && ');
    const before = await inside(container, look);
    await thereAndBack(container, dir);
    const after = await inside(container, look);
    expect(withoutGroups(after)).toBe(withoutGroups(before));
    await thereAndBack(container, dir, 'runtime');
    expect(await inside(container, look)).toBe(after);
    expect(before).toContain('mine\ntheirs\nof the host\nof the host\n');
    expect(before.trimEnd().split('\n').at(-1)).toBe('read-only');
    await inside(container, 'echo more >>/writable/file');
    expect(readFileSync(join(writable, 'file'), 'utf8')).toBe('theirs\nmore\n');
  });

  testWith(needs, 'pid, ipc, uts and cgroup namespaces of its own', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, {
      change: (spec) => {
        spec.hostname = 'a-name-of-its-own';
        withNamespace(spec, 'cgroup');
      },
    });
    // crun knows no hierarchy of cgroup v1.
    const groups = `/bin/busybox grep '${runtime.name === 'crun' ? '^0::' : ':'}' /proc/1/cgroup | /bin/busybox cut -d: -f3`;
    const look = `hostname; cat /proc/1/comm; /bin/busybox ls /dev/mqueue; ${groups}`;
    const before = await inside(container, look);
    await thereAndBack(container, dir);
    expect(await inside(container, look)).toBe(before);
    expect(before).toContain('a-name-of-its-own\nmemory\n');
    for (const kind of ['pid', 'ipc', 'uts', 'net', 'mnt', 'cgroup'])
      expect(await namespaceOf(container, kind), kind).not.toBe(readlinkSync(`/proc/self/ns/${kind}`));
  });

  testWith(needs, 'a network namespace that somebody else has made, with an address in it', async () => {
    await using dir = tempDir();
    await using theirs = await openNamespaces(['net']);
    await theirs.run('ip', 'addr', 'add', '10.77.1.2/24', 'dev', 'lo');
    await theirs.run('ip', 'link', 'set', 'lo', 'up');
    await using container = await startContainer(runtime, dir, {
      change: (spec) => withNamespace(spec, 'network', theirs.path('net')),
    });
    const there = readlinkSync(theirs.path('net'));
    expect(await namespaceOf(container, 'net')).toBe(there);
    await thereAndBack(container, dir);
    expect(await namespaceOf(container, 'net')).toBe(there);
    expect(await inside(container, '/bin/busybox ip addr show lo')).toContain('10.77.1.2/24');
  });

  testWith(needs, 'the network of the host', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir, {
      change: (spec) => {
        spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
        // sysfs shows the network that it is mounted from.
        spec.mounts = spec.mounts.filter(({ type }) => type !== 'sysfs' && type !== 'cgroup');
      },
    });
    await thereAndBack(container, dir);
    expect(await namespaceOf(container, 'net')).toBe(readlinkSync('/proc/self/ns/net'));
  });

  testWith(needs, 'ipc and uts namespaces that somebody else has made', async () => {
    await using dir = tempDir();
    await using theirs = await openNamespaces(['ipc', 'uts']);
    await theirs.run('hostname', 'of-somebody-else');
    await using container = await startContainer(runtime, dir, {
      change: (spec) => {
        spec.hostname = '';
        withNamespace(spec, 'ipc', theirs.path('ipc'));
        withNamespace(spec, 'uts', theirs.path('uts'));
      },
    });
    await thereAndBack(container, dir);
    expect(await inside(container, 'hostname')).toBe('of-somebody-else\n');
    for (const kind of ['ipc', 'uts'])
      expect(statSync(theirs.path(kind)).ino, kind).toBe(Number(/\d+/.exec(await namespaceOf(container, kind))?.[0]));
  });
});
