// A Node server that is restored as something else, and says so itself.

import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { rewrite } from '../../src/images/rewrite/rewrite.js';
import type { RewriteRules } from '../../src/images/rewrite/rules.js';
import { runCli } from '../helpers/cli-in-process.js';
import { CRIU_42, runCriu } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { killTree, startProgram, startTarget, type Target, textOf } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

const PROGRAM = fileURLToPath(new URL('../helpers/targets/identity.mjs', import.meta.url));

interface Identity {
  readonly hostname: string;
  readonly cwd: string;
  readonly color: string | null;
  readonly shade: string | null;
  readonly echoed: string;
  readonly line: number;
}

interface Ports {
  readonly server: number;
  readonly echo: number;
  readonly client: number;
}

interface Started {
  readonly target: Target;
  readonly ports: Ports;
  readonly images: string;
  readonly rules: RewriteRules;
}

async function start(dir: TempDir): Promise<Started> {
  const [portFile, oldCwd, newCwd] = [join(dir.path, 'port'), dir.folder('old'), dir.folder('new')];
  const [oldLog, newLog] = [join(dir.path, 'old.log'), join(dir.path, 'elsewhere.log')];
  const inside = `hostname before; cd ${oldCwd}; COLOR=ultramarine SHADE=dark exec "$@"`;
  const command = ['unshare', '-u', 'sh', '-c', inside, '-', process.execPath, PROGRAM, portFile, oldLog];
  const { target, ready } = await startProgram(command, () => textOf(portFile));
  const [server = 0, echo = 0, client = 0] = ready.split(' ').map(Number);
  // As long as it likes, unlike a file that is mapped or read.
  writeFileSync(newLog, 'what was there\n');
  const rules: RewriteRules = {
    sockets: [
      { from: { port: server }, to: { port: await freePort(), address: '127.0.0.9' } },
      { from: { port: echo }, to: { port: await freePort() } },
      { from: { port: client, address: '127.0.0.1' }, to: { address: '127.0.0.7', port: await freePort() } },
    ],
    hostname: 'after',
    environment: { COLOR: 'red', SHADE: undefined },
    workingDirectory: [{ from: oldCwd, to: newCwd }],
    logs: [{ from: oldLog, to: newLog }],
  };
  return { target, ports: { server, echo, client }, images: dir.folder('images'), rules };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function identity(port: number, host = '127.0.0.1'): Promise<Identity> {
  return JSON.parse(await text(connect({ host, port })));
}

function checkRestored(found: Identity, dir: TempDir): void {
  expect(found).toMatchObject({
    hostname: 'after',
    cwd: join(dir.path, 'new'),
    color: 'red',
    shade: null,
    echoed: 'ping 2',
    line: 2,
  });
  expect(readFileSync(join(dir.path, 'old.log'), 'utf8')).toBe('line 1\n');
  expect(readFileSync(join(dir.path, 'elsewhere.log'), 'utf8')).toBe('what was there\nline 2\n');
}

// What the kernel says of the connection that the process holds to itself.
function established(): string {
  return readFileSync('/proc/net/tcp', 'utf8');
}

function asInProc(address: string, port: number): string {
  const bytes = address.split('.').map(Number).toReversed();
  const hex = Buffer.from(bytes).toString('hex').toUpperCase();
  return `${hex}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

testWith(
  [CRIU_42.here, CRIU_42.inet],
  'restore() with `as`: other ports, addresses, hostname, environment, directory and log',
  async () => {
    await using dir = tempDir();
    const { target, ports, images, rules } = await start(dir);
    await using _ = target;
    expect(await identity(ports.server)).toMatchObject({
      hostname: 'before',
      color: 'ultramarine',
      shade: 'dark',
      echoed: 'ping 1',
    });
    await dumpTo(images, target, { criu: CRIU_42.path, tcpEstablished: true });
    const before = readdirSync(images).toSorted();
    const tree = await restoreFrom(images, { criu: CRIU_42.path, tcpEstablished: true, as: rules });
    const [server, echo, client] = (rules.sockets ?? []).map(({ to }) => to.port ?? 0);
    checkRestored(await identity(server ?? 0, '127.0.0.9'), dir);
    await expect(identity(ports.server)).rejects.toThrow('ECONNREFUSED');
    expect(readlinkSync(`/proc/${tree.pid}/cwd`)).toBe(join(dir.path, 'new'));
    expect(established()).toContain(`${asInProc('127.0.0.7', client ?? 0)} ${asInProc('127.0.0.1', echo ?? 0)} 01`);
    expect(established()).toContain(`${asInProc('127.0.0.1', echo ?? 0)} ${asInProc('127.0.0.7', client ?? 0)} 01`);
    expect(
      readdirSync(images)
        .filter((name) => name.endsWith('.img'))
        .toSorted(),
    ).toEqual(before.filter((name) => name.endsWith('.img')));
    await killTree(target, tree);
  },
);

testWith(
  [CRIU_42.here, CRIU_42.inet],
  'rewrite() makes a directory that the plain criu restores; a dry run only says what it would change',
  async () => {
    await using dir = tempDir();
    const { target, ports, images, rules } = await start(dir);
    await using _ = target;
    expect((await identity(ports.server)).line).toBe(1);
    await dumpTo(images, target, { criu: CRIU_42.path, tcpEstablished: true });
    const to = join(dir.path, 'rewritten');
    const { changes } = await rewrite(images, { to, rules }, { dryRun: true });
    expect(changes).toContainEqual({
      file: expect.stringMatching(/^utsns-\d+\.img$/),
      entry: 'uts namespace',
      field: 'nodename',
      old: 'before',
      new: 'after',
    });
    const environment = changes.filter(({ field }) => field.startsWith('environment'));
    expect(environment.map(({ old, new: now }) => [old, now])).toEqual(
      expect.arrayContaining([
        ['ultramarine', 'red'],
        ['dark', '(taken away)'],
      ]),
    );
    expect(changes.filter(({ field }) => field === 'src' || field === 'dst')).toHaveLength(6);
    expect(() => readdirSync(to)).toThrow('ENOENT');
    expect((await rewrite(images, { to, rules })).changes).toEqual(changes);
    expect(readdirSync(to)).not.toContain('parent');
    await runCriu(CRIU_42, 'restore', to, ['-d', '--tcp-established']);
    checkRestored(await identity(rules.sockets?.[0]?.to.port ?? 0, '127.0.0.9'), dir);
    await killTree(target);
  },
);

testWith(
  [CRIU_42.here, CRIU_42.inet],
  'rewrite() refuses what the checkpoint does not allow, and writes nothing',
  async () => {
    await using dir = tempDir();
    const { target, ports, images } = await start(dir);
    await using _ = target;
    await dumpTo(images, target, { criu: CRIU_42.path, tcpEstablished: true });
    const to = join(dir.path, 'rewritten');
    const cases: readonly (readonly [RewriteRules, RegExp])[] = [
      [{ sockets: [{ from: { port: ports.server }, to: { address: '::1' } }] }, /of another family/],
      [{ sockets: [{ from: { port: ports.server }, to: { port: ports.echo } }] }, /would both listen/],
      [{ environment: { COLOR: 'a colour that is too long' } }, /room for 11/],
      [{ environment: { NOWHERE: 'x' } }, /no task has the variable "NOWHERE"/],
      [{ logs: [{ from: process.execPath, to: '/tmp/node' }] }, /is mapped into memory|nothing there/],
      [{ workingDirectory: [{ from: '/nowhere-at-all', to: '/tmp' }] }, /nothing there is "\/nowhere-at-all"/],
    ];
    for (const [rules, why] of cases) {
      await expect(rewrite(images, { to, rules })).rejects.toMatchObject({
        code: 'REWRITE_REFUSED',
        message: expect.stringMatching(why),
      });
    }
    await expect(rewrite(images, { to, rules: { hostname: 'a b' } })).rejects.toThrow(RangeError);
    expect(() => readdirSync(to)).toThrow('ENOENT');
  },
);

// CRIU reads the parent's pages when the tree has its own root already.
testWith(
  [CRIU_42.here],
  'restore() with `as` of a tree with a root of its own, from a directory and from an archive',
  async () => {
    await using dir = tempDir();
    const [root, images, packed] = [dir.folder('root'), dir.folder('images'), join(dir.path, 'a.tar')];
    await using target = await startTarget('namespaces', [root, 'no-inet'], { control: join(root, 'control') });
    await dumpTo(images, target, { criu: CRIU_42.path });
    await createArchive(images, { to: packed }).done;
    const before = readdirSync(dir.path).toSorted();
    for (const from of [imagesDirectory(images), archive(packed)]) {
      const tree = await restore(from, { criu: CRIU_42.path, root, as: { hostname: 'after' } }).done;
      expect(await target.ask('verify')).toMatchObject({ failed: ['inside: host name'] });
      await killTree(target, tree);
      expect(readdirSync(dir.path).toSorted()).toEqual(before);
    }
  },
);

testWith([CRIU_42.here, CRIU_42.inet], 'frazil images rewrite and frazil restore take the same flags', async () => {
  await using dir = tempDir();
  const { target, ports, images, rules } = await start(dir);
  await using _ = target;
  expect((await identity(ports.server)).line).toBe(1);
  await dumpTo(images, target, { criu: CRIU_42.path, tcpEstablished: true });
  const [server, echo, client] = (rules.sockets ?? []).map(({ to }) => to.port ?? 0);
  const flags = [
    ...['--as-socket', `${ports.server}=127.0.0.9:${server}`, '--as-socket', `tcp:127.0.0.1:${ports.echo}=${echo}`],
    ...[
      '--as-socket',
      `127.0.0.1:${ports.client}=127.0.0.7:${client}`,
      '--as-socket',
      'udp:1=2',
      '--as-hostname',
      'after',
    ],
    ...['--as-env', 'COLOR=red', '--as-env', 'SHADE', '--as-cwd', `${dir.path}/old=${dir.path}/new`],
    ...['--as-log', `${dir.path}/old.log=${dir.path}/elsewhere.log`],
  ];
  const listed = await runCli(['images', 'rewrite', images, '--dry-run', ...flags]);
  expect(listed.stderr).toBe('');
  expect(listed.stdout).toContain(`: uts namespace: nodename: before -> after\n`);
  expect(listed.stdout).toContain(`: src: 127.0.0.1:${ports.server} -> 127.0.0.9:${server}\n`);
  expect((await runCli(['images', 'rewrite', images, '--dry-run', '--as-socket', '80=70000'])).status).toBe(2);
  expect((await runCli(['images', 'rewrite', images, '--dry-run', '--as-env', 'NOWHERE=1'])).status).toBe(1);
  expect((await runCli(['images', 'rewrite', images, ...flags])).status).toBe(2);
  expect(await runCli(['images', 'rewrite', join(dir.path, 'port'), '--dry-run', ...flags])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/^frazil: Cannot read the images directory .*ENOTDIR\n$/),
  });
  const criu = ['--criu', CRIU_42.path, '--quiet'];
  const byCriu = await runCli(['restore', '-D', images, '-d', '--lazy-pages', ...criu, ...flags]);
  expect(byCriu).toMatchObject({ status: 2, stderr: expect.stringContaining('--as-...') });
  const [packed, work] = [join(dir.path, 'a.tar.zst'), ['-W', dir.path]];
  await createArchive(images, { to: packed }).done;
  const refused = await runCli(['restore', packed, '-d', ...criu, ...work, '--as-env', 'NOWHERE=1']);
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining(`Cannot rewrite "${packed}"`) });
  const restored = await runCli(['restore', packed, '--lazy', '-d', '--tcp-established', ...criu, ...work, ...flags]);
  expect(restored).toMatchObject({ status: 0 });
  checkRestored(await identity(server ?? 0, '127.0.0.9'), dir);
  await killTree(target);
});
