// Rules of a rewriting over images made by hand: what real processes show is in test/e2e/rewrite.test.ts.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeImage, type ImageEntry } from '../../../src/images/codec/decode.js';
import { encodeImage } from '../../../src/images/codec/encode.js';
import { addressWords } from '../../../src/images/crit/address.js';
import { Draft } from '../../../src/images/rewrite/draft.js';
import { variablesIn } from '../../../src/images/rewrite/environment.js';
import { rewriteCgroups, rewriteTerminals } from '../../../src/images/rewrite/host.js';
import { rewritePaths } from '../../../src/images/rewrite/paths.js';
import { checkRules, movedPath, type RewriteRules, type SocketRule } from '../../../src/images/rewrite/rules.js';
import { rewriteSockets } from '../../../src/images/rewrite/sockets.js';
import { tempDir } from '../../helpers/temp-dir.js';

const FOWN = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
const OPTS = {
  so_sndbuf: 1,
  so_rcvbuf: 1,
  so_snd_tmo_sec: 0n,
  so_snd_tmo_usec: 0n,
  so_rcv_tmo_sec: 0n,
  so_rcv_tmo_usec: 0n,
};
const TCP = 6;
const UDP = 17;
const LISTEN = 10;

interface End {
  readonly address: string;
  readonly port: number;
}

function socket(
  id: number,
  { proto = TCP, state = LISTEN, src, dst }: { proto?: number; state?: number; src: End; dst?: End },
): ImageEntry {
  const [source, target] = [src, dst].map((end) => addressWords(end?.address ?? '0.0.0.0') ?? []);
  const family = source?.length === 1 ? 2 : 10;
  const isk = {
    ...{ id, ino: id, family, type: 1, proto, state, flags: 2, backlog: 5, fown: FOWN, opts: OPTS },
    ...{ src_port: src.port, dst_port: dst?.port ?? 0, src_addr: source ?? [], dst_addr: target ?? [] },
  };
  return { kind: 'file_entry', message: { type: 'INETSK', id, isk } } as unknown as ImageEntry;
}

function file(id: number, name: string, flags = 0, size?: bigint): ImageEntry {
  const reg = { id, flags, pos: 0n, fown: FOWN, name, ...(size === undefined ? {} : { size }) };
  return { kind: 'file_entry', message: { type: 'REG', id, reg } } as unknown as ImageEntry;
}

async function draftWith(dir: string, images: Readonly<Record<string, readonly ImageEntry[]>>): Promise<Draft> {
  const types = { 'files.img': 'FILES', 'cgroup.img': 'CGROUP', 'tty-info.img': 'TTY_INFO', 'fs-1.img': 'FS' } as const;
  for (const [name, entries] of Object.entries(images)) {
    const type = types[name as keyof typeof types];
    writeFileSync(join(dir, name), encodeImage({ name: type, prefix: 'common', entries }));
  }
  return Draft.open({ imagesDir: dir });
}

async function written(draft: Draft, name: string): Promise<readonly ImageEntry[]> {
  const found = [...draft.files()].find((image) => image.name === name);
  return decodeImage(found?.bytes ?? readFileSync(join(draft.imagesDir, name)), name).entries;
}

describe('rewriteSockets()', () => {
  const cases: readonly (readonly [string, ImageEntry, SocketRule, readonly (readonly [string, string])[]])[] = [
    [
      'a port of a listener',
      socket(1, { src: { address: '0.0.0.0', port: 80 } }),
      { from: { port: 80 }, to: { port: 81 } },
      [['0.0.0.0:80', '0.0.0.0:81']],
    ],
    [
      'an address in an IPv6 socket that holds it mapped',
      socket(1, {
        state: 1,
        src: { address: '::ffff:10.0.0.1', port: 80 },
        dst: { address: '::ffff:10.0.0.2', port: 9 },
      }),
      { from: { address: '10.0.0.1' }, to: { address: '10.0.0.3' } },
      [['[::ffff:10.0.0.1]:80', '[::ffff:10.0.0.3]:80']],
    ],
    [
      'both ends of a UDP socket',
      socket(1, { proto: UDP, state: 1, src: { address: 'fd00::1', port: 53 }, dst: { address: 'fd00::2', port: 53 } }),
      { protocol: 'udp', from: { port: 53 }, to: { port: 54 } },
      [
        ['[fd00::1]:53', '[fd00::1]:54'],
        ['[fd00::2]:53', '[fd00::2]:54'],
      ],
    ],
    [
      'no TCP socket by a rule for UDP',
      socket(1, { src: { address: '::', port: 80 } }),
      { protocol: 'udp', from: { port: 80 }, to: { port: 81 } },
      [],
    ],
    [
      'no other address',
      socket(1, { src: { address: '10.0.0.1', port: 80 } }),
      { from: { address: '10.0.0.2' }, to: { address: '10.0.0.3' } },
      [],
    ],
    [
      'no end that is not there',
      socket(1, { src: { address: '0.0.0.0', port: 80 } }),
      { from: { address: '0.0.0.0', port: 81 }, to: { port: 5 } },
      [],
    ],
  ];
  test.each(cases)('changes %s', async (_, entry, rule, changes) => {
    await using dir = tempDir();
    const draft = await draftWith(dir.path, { 'files.img': [entry] });
    await rewriteSockets(draft, [rule]);
    expect(draft.changes.map(({ old, new: now }) => [old, now])).toEqual(changes);
    const again = await draftWith(dir.path, { 'files.img': await written(draft, 'files.img') });
    await rewriteSockets(again, [{ from: rule.to, to: rule.from }]);
    expect(await written(again, 'files.img')).toEqual(
      decodeImage(encodeImage({ name: 'FILES', prefix: 'common', entries: [entry] }), '').entries,
    );
  });
});

test('rewritePaths() moves what lies below a path, and logs whatever their size', async () => {
  await using dir = tempDir();
  const files = [file(1, '/srv/web'), file(2, '/srv/web/a'), file(3, '/srv/website'), file(4, '/srv/web/log', 1, 77n)];
  const fs: ImageEntry = { kind: 'fs_entry', message: { cwd_id: 1, root_id: 9 } };
  const draft = await draftWith(dir.path, { 'files.img': files, 'fs-1.img': [fs] });
  await rewritePaths(draft, {
    paths: [{ from: '/srv/web', to: '/new' }],
    logs: [{ from: '/srv/web/log', to: '/var/log/x' }],
  });
  const names = (await written(draft, 'files.img')).map((entry) =>
    entry.kind === 'file_entry' ? entry.message.reg : undefined,
  );
  expect(names.map((reg) => [reg?.name, reg?.size])).toEqual([
    ['/new', undefined],
    ['/new/a', undefined],
    ['/srv/website', undefined],
    ['/var/log/x', undefined],
  ]);
  expect(draft.changes.map(({ field }) => field)).toEqual(['name', 'name', 'name', 'size']);
  const other = await Draft.open({ imagesDir: dir.path });
  await expect(rewritePaths(other, { logs: [{ from: '/srv/web/a', to: '/b' }] })).rejects.toMatchObject({
    code: 'REWRITE_REFUSED',
  });
});

test('rewriteCgroups() and rewriteTerminals() change paths and numbers', async () => {
  await using dir = tempDir();
  const cgroup = {
    kind: 'cgroup_entry',
    message: {
      sets: [
        {
          id: 1,
          ctls: [
            { name: 'memory', path: '/docker/a' },
            { name: 'cpu', path: '/' },
          ],
        },
      ],
      controllers: [
        {
          cnames: ['memory'],
          dirs: [{ dir_name: 'docker/a', children: [{ dir_name: 'b', children: [], properties: [] }], properties: [] }],
        },
      ],
    },
  } as unknown as ImageEntry;
  const tty = {
    kind: 'tty_info_entry',
    message: {
      id: 1,
      type: 'PTY',
      locked: false,
      exclusive: false,
      packet_mode: false,
      sid: 0,
      pgrp: 0,
      rdev: 0,
      pty: { index: 3 },
    },
  } as unknown as ImageEntry;
  const draft = await draftWith(dir.path, { 'cgroup.img': [cgroup], 'tty-info.img': [tty] });
  await rewriteCgroups(draft, [{ from: '/docker', to: '/machine' }]);
  await rewriteTerminals(draft, [{ from: 3, to: 9 }]);
  expect(draft.changes.map(({ file: name, old, new: now }) => [name, old, now])).toEqual([
    ['cgroup.img', '/docker/a', '/machine/a'],
    ['cgroup.img', '/docker/a', '/machine/a'],
    ['tty-info.img', '3', '9'],
  ]);
  const [entry] = await written(draft, 'cgroup.img');
  expect(entry).toMatchObject({
    message: {
      sets: [{ ctls: [{ path: '/machine/a' }, { path: '/' }] }],
      controllers: [{ dirs: [{ dir_name: 'machine/a', children: [{ dir_name: 'b' }] }] }],
    },
  });
  expect((await written(draft, 'tty-info.img'))[0]).toMatchObject({ message: { pty: { index: 9 } } });
});

describe('checkRules()', () => {
  const wrong: readonly RewriteRules[] = [
    { sockets: [{ from: {}, to: { port: 1 } }] },
    { sockets: [{ from: { port: 0 }, to: { port: 1 } }] },
    { sockets: [{ from: { port: 1 }, to: { port: 65536 } }] },
    { sockets: [{ from: { port: 1 }, to: { address: 'localhost' } }] },
    { sockets: [{ from: { address: '::1' }, to: { address: '127.0.0.1' } }] },
    { paths: [{ from: 'relative', to: '/a' }] },
    { paths: [{ from: '/a/../b', to: '/a' }] },
    { logs: [{ from: '/a', to: `/${'x'.repeat(256)}` }] },
    { hostname: 'x'.repeat(65) },
    { hostname: '' },
    { environment: { 'A=B': 'c' } },
    { environment: { A: 'c\0d' } },
    { terminals: [{ from: -1, to: 2 }] },
  ];
  test.each(wrong)('refuses %j', (rules) => {
    expect(() => checkRules(rules)).toThrow(RangeError);
  });
});

test('movedPath() takes whole names, the first rule that fits', () => {
  const rules = [
    { from: '/a/b', to: '/' },
    { from: '/a', to: '/c' },
    { from: '/', to: '/root' },
  ];
  expect(['/a/b', '/a/b/x', '/a/bc', '/a', '/z'].map((path) => movedPath(path, rules))).toEqual([
    '/',
    '/x',
    '/c/bc',
    '/c',
    '/root/z',
  ]);
});

test('variablesIn() finds the variables of any environment at their addresses', () => {
  const name = fc.stringMatching(/^[A-Z_]{1,8}$/);
  const value = fc.stringMatching(/^[ -~é]{0,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (variables) => {
      const bytes = Buffer.from(variables.map(([key, text]) => `${key}=${text}\0`).join(''));
      const found = variablesIn(bytes, 0x1000n);
      expect(found.map(({ name: key, value: text }) => [key, text])).toEqual(variables);
      for (const { name: key, value: text, vaddr, bytes: length } of found) {
        const at = Number(vaddr) - 0x1000;
        expect(bytes.toString('utf8', at, at + length)).toBe(`${key}=${text}`);
      }
    }),
  );
});
