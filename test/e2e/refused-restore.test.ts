// Restores that the real CRIU refuses: checkpoints that do not fit the host any more, or are damaged.

import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { ChosenOptions } from '../../src/criu/doctor/finding.js';
import { dump } from '../../src/criu/dump.js';
import { type RestoreCall, restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { isAlive, waitGone } from '../helpers/procfs.js';
import { until } from '../helpers/until.js';
import { type Provoked, provoke } from './refused-targets.js';

const criu = CRIU_42.path;
const TCP = `import socket
l=socket.socket();l.bind(("127.0.0.1",0));l.listen();c=socket.create_connection(l.getsockname());s=l.accept()
open("{dir}/port","w").write(str(l.getsockname()[1]))`;
const LISTEN = `import socket
l=socket.socket();l.bind(("127.0.0.1",0));l.listen();open("{dir}/port","w").write(str(l.getsockname()[1]))`;
const FILE = 'f=open("{dir}/file","w");f.write("hello");f.close();f=open("{dir}/file")';

interface RefusedRestore {
  readonly name: string;
  readonly program?: string;
  readonly dumped?: ChosenOptions;
  /** What happens between dump and restore; may give back something that is closed afterwards. */
  readonly spoil?: (at: { dir: string; images: string; pid: number }) => Server | undefined | Promise<Server>;
  readonly restored?: RestoreCall;
  readonly code?: 'RESTORE_REFUSED' | 'IMAGES_CORRUPT';
  readonly rule?: string;
  readonly fd?: number;
  readonly path?: string;
  readonly optionFlag?: string;
  /** With this the same restore works. */
  readonly helps?: RestoreCall;
}

const image = (images: string, start: string): string => {
  const name = readdirSync(images).find((each) => each.startsWith(start));
  return `${images}/${name}`;
};
const nothing = (..._: unknown[]): undefined => undefined;

const CASES: readonly RefusedRestore[] = [
  {
    name: 'a file that is gone',
    program: FILE,
    spoil: ({ dir }) => nothing(rmSync(`${dir}/file`)),
    rule: 'file-missing',
    fd: 3,
    path: '{dir}/file',
  },
  {
    name: 'a file that has grown',
    program: FILE,
    spoil: ({ dir }) => nothing(appendFileSync(`${dir}/file`, ' world')),
    rule: 'file-size',
    fd: 3,
    path: '{dir}/file',
  },
  {
    name: 'a file with another mode',
    program: FILE,
    spoil: ({ dir }) => nothing(chmodSync(`${dir}/file`, 0o600)),
    rule: 'file-mode',
    fd: 3,
    path: '{dir}/file',
    optionFlag: '--skip-file-rwx-check',
    helps: { skipFileRwxCheck: true },
  },
  {
    name: 'an established connection without the option',
    program: TCP,
    dumped: { tcpEstablished: true },
    rule: 'tcp-established-in-image',
    fd: 4,
    optionFlag: '--tcp-established',
    helps: { tcpEstablished: true },
  },
  {
    name: 'a dropped connection without the option',
    program: TCP,
    dumped: { tcpClose: true },
    rule: 'tcp-close-missing',
    optionFlag: '--tcp-close',
    // No `helps`: its three sockets share a port, and closed ones cannot be bound together again.
  },
  {
    name: 'a port that is taken',
    program: LISTEN,
    spoil: async ({ dir }) => {
      const server = createServer();
      const port = Number(readFileSync(`${dir}/port`, 'utf8'));
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      return server;
    },
    rule: 'address-in-use',
  },
  {
    name: 'damaged core images',
    spoil: ({ images }) => nothing(writeFileSync(image(images, 'core-'), Buffer.alloc(64, 1))),
    rule: 'image-magic',
    path: 'core-',
  },
  {
    name: 'a core image that was cut off',
    spoil: ({ images }) => nothing(truncateSync(image(images, 'core-'), 50)),
    rule: 'image-truncated',
    path: 'core-',
  },
  {
    name: 'pages that are gone',
    spoil: ({ images }) => nothing(rmSync(image(images, 'pages-'))),
    code: 'IMAGES_CORRUPT',
  },
  {
    name: 'a pagemap that is gone',
    spoil: ({ images }) => nothing(rmSync(image(images, 'pagemap-'))),
    rule: 'image-missing',
    path: 'pagemap-',
  },
  {
    name: 'a lazy restore without its daemon',
    restored: { lazyPages: true },
    rule: 'lazy-socket',
    optionFlag: '--lazy-pages',
  },
  {
    name: 'an action script that fails',
    restored: { actionScript: ['/bin/false'] },
    rule: 'script-failed',
    path: '/bin/false',
  },
  { name: 'no inventory', spoil: ({ images }) => nothing(rmSync(`${images}/inventory.img`)), code: 'IMAGES_CORRUPT' },
];

describe('a refused restore', () => {
  for (const refusal of CASES) {
    testWith([CRIU_42.here], `names ${refusal.name} and leaves no task behind`, async () => {
      await using provoked = await provoke({ program: refusal.program ?? '' });
      const images = await checkpoint(refusal, provoked);
      const server = await refusal.spoil?.({ dir: provoked.dir.path, images, pid: provoked.pid });
      const failure: unknown = await restore(imagesDirectory(images), {
        criu,
        // Without a parent of its own a task that was not restored is reaped by pid 1, so that its pid is free again.
        restoreSibling: false,
        ...refusal.restored,
      }).done.catch((e: unknown) => e);
      server?.close();
      expectRefused(refusal, { failure, images, dir: provoked.dir.path });
      await until('no task is left', () => !isAlive(provoked.pid));
      await expectHelp(refusal, images, provoked.pid);
    });
  }
});

async function checkpoint({ dumped }: RefusedRestore, { pid, dir }: Provoked): Promise<string> {
  const images = dir.folder('images');
  await dump(pid, { to: imagesDirectory(images), criu, ...dumped }).done;
  await waitGone([pid]);
  return images;
}

function expectRefused(
  { code = 'RESTORE_REFUSED', rule, fd, path, optionFlag }: RefusedRestore,
  { failure, images, dir }: { failure: unknown; images: string; dir: string },
): void {
  if (!CheckpointError.is(failure, code)) throw failure;
  if (!CheckpointError.is(failure, 'RESTORE_REFUSED')) return;
  const { detail, message } = failure;
  const [cause] = detail.causes;
  expect(cause?.rule).toBe(rule);
  expect(message).toContain(`Cannot restore "${images}": `);
  expect(message).toContain(`(${images}/restore.log:${cause?.line})`);
  expect(cause?.remedy).toMatch(/\w/);
  if (fd !== undefined) expect(cause?.fd).toBe(fd);
  if (path !== undefined) expect(cause?.path).toContain(path.replace('{dir}', dir));
  expect(cause?.option?.flag).toBe(optionFlag);
}

async function expectHelp({ helps }: RefusedRestore, images: string, pid: number): Promise<void> {
  if (helps === undefined) return;
  await waitGone([pid]);
  const tree = await restore(imagesDirectory(images), { criu, ...helps }).done;
  expect(tree.pid).toBe(pid);
  await tree.kill();
}

describe('a program that was replaced', () => {
  testWith([CRIU_42.here], 'is named with its path', async () => {
    await using provoked = await provoke({
      program:
        'import os,shutil,time\nshutil.copy("/bin/sleep","{dir}/sleep")\nopen("{dir}/inside","w").write(str(os.getpid()))\nos.execv("{dir}/sleep",["sleep","1000"])',
    });
    const images = await checkpoint({ name: '' }, provoked);
    copyFileSync('/bin/cat', `${provoked.dir.path}/sleep`);
    const failure: unknown = await restore(imagesDirectory(images), { criu }).done.catch((e: unknown) => e);
    if (!CheckpointError.is(failure, 'RESTORE_REFUSED')) throw failure;
    expect(failure.detail.causes[0]).toMatchObject({ path: `${provoked.dir.path}/sleep` });
    expect(failure.detail.causes[0]?.rule).toMatch(/^file-(build-id|size)$/);
  });
});

test('the table of refused restores has at least twelve rows', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(12);
});
