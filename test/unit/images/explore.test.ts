import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { encodeImage } from '../../../src/images/codec/encode.js';
import { type ImageName, imageType } from '../../../src/images/codec/types.js';
import { exploreFds, fdsLines } from '../../../src/images/explore/fds.js';
import { exploreMems, memsLines } from '../../../src/images/explore/mems.js';
import { explorePs, psLines } from '../../../src/images/explore/ps.js';
import { exploreRss, rssLine } from '../../../src/images/explore/rss.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { task } from './records.js';

type Message = Record<string, unknown>;
type Images = Readonly<Record<string, readonly [ImageName, ...Message[]]>>;

const FOWN = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 };
const CORE = { exit_code: 0, personality: 0, flags: 0, blk_sigset: 0n };
const REGULAR = 1;
const FILE_PRIVATE = 2 ** 6;
const PAGE = 4096n;

const core = (comm: string, task_state = 1): [ImageName, Message] => [
  'CORE',
  { mtype: 'X86_64', tc: { ...CORE, task_state, comm } },
];
const file = (id: number, name: string): Message => ({
  type: 'REG',
  id,
  reg: { id, flags: 0, pos: 0n, fown: FOWN, name },
});
const vma = (start: bigint, pages: bigint, more: Message = {}): Message => ({
  start,
  end: start + pages * PAGE,
  pgoff: 0n,
  shmid: 0n,
  prot: 3,
  flags: 0x22,
  status: REGULAR,
  fd: -1n,
  ...more,
});
const mm = (vmas: readonly Message[]): [ImageName, Message] => {
  const numbers = [
    'start_code',
    'end_code',
    'start_data',
    'end_data',
    'start_stack',
    'start_brk',
    'brk',
    'arg_start',
    'arg_end',
    'env_start',
    'env_end',
  ];
  return ['MM', { ...Object.fromEntries(numbers.map((name) => [`mm_${name}`, 0n])), exe_file_id: 1, vmas }];
};

function write(dir: string, images: Images): void {
  mkdirSync(dir, { recursive: true });
  for (const [name, [type, ...messages]] of Object.entries(images)) {
    const { first, entry, prefix } = imageType(type);
    const entries = messages.map((message, i) => ({ kind: (i === 0 && first ? first : entry).kind, message }));
    writeFileSync(join(dir, name), encodeImage({ name: type, prefix, entries: entries as never }));
  }
}

async function linesIn(
  images: Images,
  explore: (dir: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  return withTempDir('disk', async ({ path }) => {
    write(path, images);
    return explore(path);
  });
}

async function rssLines(dir: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const rss of exploreRss(dir)) lines.push(rssLine(rss));
  return lines;
}

const WITH_ZOMBIE: Images = {
  'pstree.img': ['PSTREE', task(10), task(11, 10), task(12, 11), task(13, 10)],
  'core-10.img': core('root'),
  'core-11.img': core('a "b"'),
  'core-12.img': core('deep'),
  'core-13.img': core('dead', 2),
  'ids-10.img': ['IDS', { vm_id: 1, files_id: 7, fs_id: 1, sighand_id: 1 }],
  'fs-10.img': ['FS', { cwd_id: 1, root_id: 99 }],
  'fdinfo-7.img': [
    'FDINFO',
    { id: 1, flags: 0, type: 'REG', fd: 0 },
    { id: 2, flags: 0, type: 'PIPE', fd: 1 },
    { id: 98, flags: 0, type: 'UNIXSK', fd: 2 },
    { id: 3, flags: 0, type: 'EVENTFD', fd: 200 },
  ],
  'files.img': [
    'FILES',
    file(1, '/bin/a\nb\x1b[31m\tc'),
    { type: 'PIPE', id: 2, pipe: { id: 2, pipe_id: 5, flags: 0, fown: FOWN } },
  ],
  'mm-10.img': mm([
    vma(0x400000n, 2n, { status: REGULAR | FILE_PRIVATE, shmid: 1n, prot: 5, pgoff: 0x2000n }),
    vma(0x500000n, 4n),
    vma(2n ** 64n - 0xa00000n, 1n, { status: 2 ** 2, prot: 4 }),
  ]),
};

describe('explorePs()', () => {
  it('prints the tree as crit does', async () => {
    expect(await linesIn(WITH_ZOMBIE, async (dir) => psLines(await explorePs(dir)))).toEqual([
      '    PID   PGID    SID   COMM',
      '     10     10     10   root',
      '     11     11     11       a "b"',
      '     12     12     12           deep',
      '     13     13     13       dead',
    ]);
  });

  it('shows a task whose parent is missing as a root, and no ring', async () => {
    const images: Images = {
      'pstree.img': ['PSTREE', task(10, 9), task(20, 20), task(30, 31), task(31, 30)],
      'core-10.img': core('orphan'),
    };
    expect(await linesIn(images, async (dir) => psLines(await explorePs(dir)))).toEqual([
      '    PID   PGID    SID   COMM',
      '     10     10     10   orphan',
    ]);
  });
});

describe('exploreFds()', () => {
  it('names files as crit does, and leaves nothing to the terminal', async () => {
    expect(await linesIn(WITH_ZOMBIE, async (dir) => fdsLines(await exploreFds(dir)))).toEqual([
      '10',
      '\t      0: /bin/a\\x0ab\\x1b[31m\tc',
      '\t      1: pipe[5]',
      '\t      2: unix[?]',
      '\t    200: EVENTFD.3',
      '\t    cwd: /bin/a\\x0ab\\x1b[31m\tc',
      '\t   root: unknown path',
      '11',
      '12',
      '13',
    ]);
  });

  it('finds files of CRIU before 3.0', async () => {
    const { 'files.img': _, ...others } = WITH_ZOMBIE;
    const images: Images = {
      ...others,
      'reg-files.img': ['REG_FILES', { id: 1, flags: 0, pos: 0n, fown: FOWN, name: '/old' }],
      'pipes.img': ['PIPES', { id: 2, pipe_id: 6, flags: 0, fown: FOWN }],
    };
    const lines = await linesIn(images, async (dir) => fdsLines(await exploreFds(dir)));
    expect(lines.slice(1, 3)).toEqual(['\t      0: /old', '\t      1: pipe[6]']);
  });
});

describe('exploreMems()', () => {
  it('prints mappings as crit does', async () => {
    expect(await linesIn(WITH_ZOMBIE, async (dir) => memsLines(await exploreMems(dir)))).toEqual([
      '10',
      '\texe                                     /bin/a\\x0ab\\x1b[31m\tc',
      '\t00400000-00402000                   r-x /bin/a\\x0ab\\x1b[31m\tc + 0x2000',
      '\t00500000-00504000                   rw-',
      '\tffffffffff600000-ffffffffff601000   --x [vsyscall] *',
      '11',
      '12',
      '13',
    ]);
  });
});

describe('exploreRss()', () => {
  const pagemap = (...runs: readonly Message[]): Images => ({
    ...WITH_ZOMBIE,
    'pagemap-10.img': ['PAGEMAP', { pages_id: 1 }, ...runs],
  });

  it('reads pagemaps of CRIU before 4.2, on which crit gives up', async () => {
    const images = pagemap(
      { vaddr: 0x401000n, compat_nr_pages: 1, flags: 4 },
      { vaddr: 0x500000n, compat_nr_pages: 1 },
      { vaddr: 0x502000n, compat_nr_pages: 2, in_parent: true },
    );
    expect(await linesIn(images, rssLines)).toEqual([
      '10',
      `\t401000 / 1              00400000 / 2        /bin/a\\x0ab\\x1b[31m\tc\n\t${' '.repeat(23)}`,
      `\t500000 / 1              00500000 / 4       \n\t${' '.repeat(23)}`,
      `\t502000 / 2              ~\n\t${' '.repeat(23)}`,
      '11',
      '12',
      '13',
    ]);
  });

  it('ends whatever the runs are', async () => {
    const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const runs = fc.array(fc.record({ vaddr: u64, compat_nr_pages: fc.nat(), nr_pages: u64 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(runs, async (found) => {
        const lines = await linesIn(pagemap(...found), rssLines);
        expect(lines).toHaveLength(4 + found.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe('an explorer refuses', () => {
  it.each<[string, Images, string]>([
    ['a directory without pstree.img', {}, 'pstree.img" cannot be opened'],
    [
      'a fdinfo that is missing',
      { ...WITH_ZOMBIE, 'fdinfo-7.img': core('x') },
      'fdinfo-7.img": it holds a core_entry in place of a fdinfo_entry',
    ],
    [
      'a files.img that is another',
      { ...WITH_ZOMBIE, 'files.img': core('x') },
      'files.img": it holds a core_entry in place of a file_entry',
    ],
  ])('%s', async (_, images, message) => {
    const error = await linesIn(images, async (dir) => fdsLines(await exploreFds(dir))).catch(
      (reason: unknown) => reason,
    );
    expect(CheckpointError.is(error) && error.message).toContain(message);
  });
});
