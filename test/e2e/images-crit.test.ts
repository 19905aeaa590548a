// Our reading and writing of image files against Debian's crit, to the letter, on checkpoints that real CRIUs made of real processes.

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect } from 'vitest';
import type { ImageName } from '../../src/images/codec/types.js';
import { CHECKPOINTED, imageFiles } from '../helpers/checkpoints.js';
import { runCli } from '../helpers/cli-in-process.js';
import { critHere, runCrit } from '../helpers/crit.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { tempDir } from '../helpers/temp-dir.js';

/** Not entries: pages, archives, what ip and iptables print. */
const RAW = /^(pages-\d|.*\.tar\.gz|ifaddr-|route6?-|rule-|ip6?tables-|nftables-|netns-(?:ct|exp)-)/;

/** Something follows their entries: crit counts wrongly, or not at all. */
const COUNTED_WRONGLY = /^(pipes-data|fifo-data|sk-queues|tcp-stream|ghost-file|ipcns-(?:sem|msg|shm))/;

const decodeLines = (path: string): readonly (readonly string[])[] => [
  ['decode', '-i', path],
  ['decode', '-i', path, '--pretty'],
  ['show', path, '--nopl'],
  ...(COUNTED_WRONGLY.test(basename(path)) ? [] : [['info', path]]),
];

/** What crit says to each line is what we say; given back is what it said. */
async function expectSameText(lines: readonly (readonly string[])[]): Promise<readonly string[]> {
  const theirs = await runCrit(lines);
  for (const [i, line] of lines.entries()) {
    const { status, stdout } = theirs[i] ?? { status: -1, stdout: '' };
    const ours = await runCli(['images', ...line]);
    const said = { status: ours.status, stdout: ours.stdout, stderr: ours.stderr };
    expect({ line, ...said }).toEqual({ line, status, stdout, stderr: '' });
  }
  return theirs.map(({ stdout }) => stdout);
}

/** From crit's JSON, plain or pretty. */
async function expectSameBytes(image: string, json: string, scratch: string): Promise<void> {
  const [from, to] = [join(scratch, 'json'), join(scratch, 'again')];
  writeFileSync(from, json, 'latin1');
  expect(await runCli(['images', 'encode', '-i', from, '-o', to])).toMatchObject({ status: 0, stderr: '' });
  expect({ image, bytes: readFileSync(to, 'hex') }).toEqual({ image, bytes: readFileSync(image, 'hex') });
}

/**
 * crit gives up at a zombie (fds, mems, rss) and at a pagemap of CRIU before 4.2 (rss); what it had said by then is what we say too.
 */
async function expectSameExploration(images: string): Promise<void> {
  const lines = ['ps', 'fds', 'mems', 'rss'].map((what) => ['x', images, what]);
  const theirs = await runCrit(lines);
  for (const [i, line] of lines.entries()) {
    const { status, stdout, stderr } = theirs[i] ?? { status: -1, stdout: '', stderr: '' };
    const ours = await runCli(['images', ...line]);
    if (status !== 0) expect(stderr).toMatch(/^(FileNotFoundError: .*(ids|mm)-\d+\.img|KeyError: 'nr_pages')/);
    // A long name of a socket is one line with us.
    const said = stdout.replaceAll('=\n', '');
    const same = status === 0 ? ours.stdout : ours.stdout.slice(0, said.length);
    expect({ line, status: ours.status, stdout: same, stderr: ours.stderr }).toEqual({
      line,
      status: 0,
      stdout: said,
      stderr: '',
    });
  }
}

/** What these checkpoints hold together; what no process here gives (AutoFS, AppArmor, ...) is in images-crit-any.test.ts. */
const SEEN_TOGETHER: readonly ImageName[] = [
  'CGROUP',
  'CORE',
  'CPUINFO',
  'FDINFO',
  'FIFO_DATA',
  'FILES',
  'FILE_LOCKS',
  'FS',
  'GHOST_FILE',
  'IDS',
  'INVENTORY',
  'IPCNS_MSG',
  'IPCNS_SEM',
  'IPCNS_SHM',
  'IPC_VAR',
  'MEMFD_INODE',
  'MM',
  'MNTS',
  'PAGEMAP',
  'PIPES_DATA',
  'PSTREE',
  'REMAP_FPATH',
  'SECCOMP',
  'SK_QUEUES',
  'STATS',
  'TIMENS',
  'TTY_DATA',
  'TTY_INFO',
  'USERNS',
  'UTSNS',
];

/** And with a CRIU that dumps inet sockets. */
const SEEN_WITH_INET: readonly ImageName[] = ['NETDEV', 'NETNS', 'TCP_STREAM'];

/** Into a file: a pagemap is printed in C++ then. */
async function expectSameFile(line: readonly string[], text: string, scratch: string): Promise<void> {
  const to = join(scratch, 'printed');
  expect(await runCli(['images', ...line, '-o', to])).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect({ line, text: readFileSync(to, 'latin1') }).toEqual({ line, text: text.slice(0, -1) });
}

describe.each(CRIUS)('with criu $name', (criu) => {
  const seen = new Set<string>();
  for (const { title, needs, make } of CHECKPOINTED)
    testWith(
      [critHere, criu.here, ...needs(criu)],
      `images of ${title} are read and written as crit does`,
      async () => {
        await using dir = tempDir();
        const images = await make(criu, dir);
        const paths = imageFiles(images)
          .filter((name) => !RAW.test(name))
          .map((name) => join(images, name));
        expect(paths.length).toBeGreaterThan(10);
        await expectSameExploration(images);
        const lines = paths.flatMap(decodeLines);
        const texts = await expectSameText(lines);
        for (const text of texts) seen.add(/"magic": "(\w+)"/.exec(text)?.[1] ?? '');
        for (const [i, [verb, , path]] of lines.entries())
          if (verb === 'decode') {
            await expectSameBytes(path ?? '', texts[i] ?? '', dir.path);
            await expectSameFile(lines[i] ?? [], texts[i] ?? '', dir.path);
          }
      },
    );

  testWith([critHere, criu.here], 'those were images of every type that processes here have', async () => {
    const expected = [...SEEN_TOGETHER, ...(criu.inet.missing === undefined ? SEEN_WITH_INET : [])];
    expect(expected.filter((name) => !seen.has(name))).toEqual([]);
  });
});
