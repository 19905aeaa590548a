// `frazil images` as a script runs it: pipes, files, statuses.

import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeImage } from '../../../src/images/codec/encode.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { buildCli, runProgram } from './programs.js';

beforeAll(buildCli, 120_000);

const UTSNS = encodeImage({
  name: 'UTSNS',
  prefix: 'common',
  entries: [{ kind: 'utsns_entry', message: { nodename: 'blue', domainname: '(none)' } }],
});
const JSON_TEXT = '{"magic": "UTSNS", "entries": [{"nodename": "blue", "domainname": "(none)"}]}';

const inDir = (use: (path: string) => Promise<void>) => withTempDir('disk', async ({ path }) => use(path));
const images = (words: readonly string[], input?: string | Uint8Array) =>
  runProgram('frazil', ['images', ...words], input === undefined ? {} : { input });

describe('frazil images decode and encode', () => {
  it('read standard input and write standard output', () =>
    inDir(async (dir) => {
      const file = join(dir, 'utsns-9.img');
      writeFileSync(file, UTSNS);
      expect(await images(['decode', '-i', file])).toMatchObject({ status: 0, stdout: `${JSON_TEXT}\n`, stderr: '' });
      const encoded = await images(['encode'], JSON_TEXT);
      expect({ ...encoded, stdout: Buffer.from(encoded.stdout) }).toMatchObject({ status: 0, stdout: UTSNS });
    }));

  it('write all of a long text to a pipe', async () => {
    const runs = 50_000;
    const entries = Array.from({ length: runs }, (_, i) => ({
      kind: 'pagemap_entry' as const,
      message: { vaddr: BigInt(i) * 8192n, compat_nr_pages: 1, flags: 4 },
    }));
    const head = { kind: 'pagemap_head' as const, message: { pages_id: 1 } };
    const image = encodeImage({ name: 'PAGEMAP', prefix: 'common', entries: [head, ...entries] });
    const { status, stdout } = await images(['decode'], image);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).entries).toHaveLength(1 + runs);
  });

  it('take the options of crit in all their forms', () =>
    inDir(async (dir) => {
      const [file, json] = [join(dir, 'utsns-9.img'), join(dir, 'json')];
      writeFileSync(file, UTSNS);
      for (const words of [
        ['--in', file, '--out', json],
        [`--in=${file}`, `-o${json}`],
        ['--pre', '-i', file, '-o', json],
      ])
        expect(await images(['decode', ...words])).toMatchObject({ status: 0, stdout: '' });
      expect(readFileSync(json, 'utf8')).toBe(
        '{\n    "magic": "UTSNS",\n    "entries": [\n        {\n            "nodename": "blue",\n            "domainname": "(none)"\n        }\n    ]\n}',
      );
    }));

  it('replace a file as a whole, through a link, with its mode; a new one is private', () =>
    inDir(async (dir) => {
      const [file, link, json] = ['utsns-9.img', 'link', 'json'].map((name) => join(dir, name)) as [
        string,
        string,
        string,
      ];
      writeFileSync(file, UTSNS);
      chmodSync(file, 0o640);
      symlinkSync('utsns-9.img', link);
      const green = JSON_TEXT.replace('blue', 'green');
      expect(await images(['encode', '-o', link], green)).toMatchObject({ status: 0, stderr: '' });
      expect(await images(['decode', '-i', file, '-o', json])).toMatchObject({ status: 0 });
      expect(readFileSync(json, 'utf8')).toBe(green);
      expect([file, json].map((path) => statSync(path).mode & 0o777)).toEqual([0o640, 0o600]);
      expect(readdirSync(dir).toSorted()).toEqual(['json', 'link', 'utsns-9.img']);
    }));

  it('leave a file as it was when something is wrong', () =>
    inDir(async (dir) => {
      const file = join(dir, 'utsns-9.img');
      writeFileSync(file, UTSNS);
      const wrong = JSON_TEXT.replace('}]}', '}, {"nodename": 5}]}');
      const ran = await images(['encode', '-o', file], wrong);
      expect(ran).toMatchObject({ status: 1, stdout: '' });
      expect(ran.stderr).toContain('Cannot encode "standard input": entries[1].nodename: a string is expected');
      expect(readFileSync(file)).toEqual(UTSNS);
      expect(readdirSync(dir)).toEqual(['utsns-9.img']);
    }));

  it.each([
    [
      ['decode', '-i', process.execPath],
      1,
      'Unknown magic 0x464c457f. Maybe you are feeding me an image with raw data',
    ],
    [['decode', '-i', '/dev/null'], 1, 'it is too short for an image file'],
    [['decode', '-i', '/nowhere.img'], 1, 'Cannot read "/nowhere.img": ENOENT'],
    [['decode', '-i', '/tmp'], 1, 'Cannot read "/tmp": EISDIR'],
    [['encode', '-i', process.execPath], 1, 'Cannot read JSON. Maybe you are feeding me an image with protobuf data?'],
    [['decode', '-o', '/nowhere/x'], 1, 'Cannot write "/nowhere/x": ENOENT'],
    [['ps', '/tmp'], 1, 'Is "/tmp" an images directory?'],
    [['decode', 'a', 'b'], 2, 'images decode takes one image file'],
    [['decode', '--nope'], 2, 'there is no option "--nope"'],
    [['info'], 2, 'images info needs one image file'],
    [['x', 'd', 'fd'], 2, 'images x needs an images directory or archive and one of ps, fds, mems, rss'],
    [['ps', '--pretty', '/tmp'], 2, 'images ps takes no --pretty'],
    [['decoed'], 2, 'images has no verb "decoed". Did you mean "decode"?'],
    [[], 2, 'images needs a verb'],
  ])('%j ends with %i and says why', async (words, status, message) => {
    const ran = await images(words, '');
    expect(ran.status).toBe(status);
    expect(ran.stderr).toContain(message);
    expect(existsSync('/nowhere')).toBe(false);
  });
});

describe('frazil images ps', () => {
  it('says it as one object with --json', () =>
    inDir(async (dir) => {
      const root = { pid: 7, ppid: 0, pgid: 7, sid: 7, threads: [7, 8] };
      const pstree = encodeImage({
        name: 'PSTREE',
        prefix: 'common',
        entries: [{ kind: 'pstree_entry', message: root }],
      });
      writeFileSync(join(dir, 'pstree.img'), pstree);
      const ran = await images(['ps', dir, '--json']);
      expect(JSON.parse(ran.stdout)).toEqual([{ ...root, command: '', depth: 0 }]);
    }));
});
