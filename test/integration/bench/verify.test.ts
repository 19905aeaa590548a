// The verifier against images directories made by hand, in the formats of CRIU 4.1 and 4.2. A page's content is as target.c makes it: a
// generation word, then words that do not change.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareTools } from '../../../src/bench/host/tools.js';
import { verifyAnswers, verifyImages, WrongBytes } from '../../../src/bench/host/verify.js';

const PAGE = 4096;
const ADDRESS = 0x7f0000000000n;
const PID = 4242;
let verify = '';
let home = '';

beforeAll(async () => {
  verify = (await prepareTools()).verify;
  home = await mkdtemp(join(tmpdir(), 'frazil-verify-'));
}, 60_000);
afterAll(() => rm(home, { recursive: true, force: true }));

const varint = (value: bigint): number[] =>
  value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
const message = (fields: readonly (readonly [number, number | bigint])[]): Buffer => {
  const body = Buffer.from(fields.flatMap(([number, value]) => [number << 3, ...varint(BigInt(value))]));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
};
const page = (generation: number, content: number): Buffer => {
  const bytes = Buffer.alloc(PAGE, content);
  bytes.writeBigUInt64LE(BigInt(generation));
  return bytes;
};

interface Extent {
  readonly at: number;
  readonly pages: readonly Buffer[] | number;
  readonly flags?: number;
}

/** `pages` as a number: an extent without bytes of its own (PARENT). */
async function images(name: string, extents: readonly Extent[], format: '4.1' | '4.2' = '4.2'): Promise<string> {
  const dir = join(home, name);
  await mkdir(dir);
  const entries = extents.map(({ at, pages, flags = 4 }) => {
    const count = typeof pages === 'number' ? pages : pages.length;
    const vaddr = [1, ADDRESS + BigInt(at * PAGE)] as const;
    return format === '4.2'
      ? message([vaddr, [2, 0], [4, flags], [5, count]])
      : message([vaddr, [2, count], ...(flags === 1 ? [[3, 1] as const] : [])]);
  });
  await writeFile(join(dir, `pagemap-${PID}.img`), Buffer.concat([Buffer.alloc(8), message([[1, 7]]), ...entries]));
  await writeFile(
    join(dir, 'pages-7.img'),
    Buffer.concat(extents.flatMap(({ pages }) => (typeof pages === 'number' ? [] : pages))),
  );
  return dir;
}

const arena = (digest: string, pages: number) => [
  { pid: PID, index: 0, address: ADDRESS.toString(16), pages, digest, whole: true },
];

/** The digest of a directory, taken from the complaint about a wrong one. */
async function digestOf(dir: string, pages: number): Promise<string> {
  const complaint: unknown = await verifyImages(verify, dir, arena('f'.repeat(16), pages)).catch(
    (reason: unknown) => reason,
  );
  return /digest ([0-9a-f]{16}),/.exec(String(complaint))?.[1] ?? String(complaint);
}

describe('verifyImages()', () => {
  const three = [page(1, 10), page(1, 20), page(1, 30)] as const;

  it('reads the pagemaps of 4.1 and 4.2 alike, and a hole as zeros', async () => {
    const zero = Buffer.alloc(PAGE);
    const whole = await digestOf(await images('whole', [{ at: 0, pages: [three[0], zero, three[1]] }]), 3);
    expect(whole).toMatch(/^[0-9a-f]{16}$/);
    const extents = [
      { at: 0, pages: [three[0]] },
      { at: 2, pages: [three[1]] },
    ];
    await expect(verifyImages(verify, await images('new', extents), arena(whole, 3))).resolves.toEqual({
      pages: 3,
      digests: [whole],
    });
    await expect(verifyImages(verify, await images('old', extents, '4.1'), arena(whole, 3))).resolves.toBeDefined();
  });

  it('follows PARENT extents through a chain, also where a parent run is only touched in part', async () => {
    const whole = await digestOf(await images('flat', [{ at: 0, pages: three }]), 3);
    await images('first', [{ at: 0, pages: [page(1, 99), three[1], three[2]] }]);
    const second = await images('second', [
      { at: 0, pages: [three[0]] },
      { at: 1, pages: 2, flags: 1 },
    ]);
    await symlink('../first', join(second, 'parent'));
    await expect(verifyImages(verify, second, arena(whole, 3))).resolves.toBeDefined();
  });

  it.each([
    [
      'one changed byte',
      [page(1, 10), page(1, 20), Buffer.concat([page(1, 30).subarray(0, PAGE - 1), Buffer.from([31])])],
    ],
    ['two swapped pages', [three[1], three[0], three[2]]],
    ['a page of zeros', [three[0], Buffer.alloc(PAGE), three[2]]],
  ])('complains about %s', async (name, pages) => {
    const whole = await digestOf(await images(`right of ${name}`, [{ at: 0, pages: three }]), 3);
    const dir = await images(name, [{ at: 0, pages }]);
    await expect(verifyImages(verify, dir, arena(whole, 3))).rejects.toThrow(WrongBytes);
  });

  it('accepts one step of generations and refuses memory of two moments', async () => {
    const cut = await images('cut', [{ at: 0, pages: [page(5, 10), page(5, 20), page(4, 30)] }]);
    const whole = await digestOf(cut, 3);
    await expect(verifyImages(verify, cut, arena(whole, 3))).resolves.toBeDefined();
    const torn = await images('torn', [{ at: 0, pages: [page(5, 10), page(4, 20), page(5, 30)] }]);
    await expect(verifyImages(verify, torn, arena(whole, 3))).rejects.toThrow('mix moments');
  });

  it('refuses pagemaps that run backwards or past the end of the address space', async () => {
    const backwards = await images('backwards', [
      { at: 1, pages: [three[0]] },
      { at: 0, pages: [three[1]] },
    ]);
    await expect(verifyImages(verify, backwards, arena('0'.repeat(16), 3))).rejects.toThrow('pagemap order');
    const endless = await images('endless', [{ at: 0, pages: 2 ** 52 - 1, flags: 1 }]);
    await expect(verifyImages(verify, endless, arena('0'.repeat(16), 3))).rejects.toThrow('pagemap order');
  });

  it('refuses a pages file that is shorter than its pagemap says, and a directory without the process', async () => {
    const dir = await images('short', [{ at: 0, pages: three }]);
    await writeFile(join(dir, 'pages-7.img'), three[0]);
    await expect(verifyImages(verify, dir, arena('0'.repeat(16), 3))).rejects.toThrow(
      'not the size that its pagemap says',
    );
    await expect(verifyImages(verify, home, arena('0'.repeat(16), 3))).rejects.toThrow('cannot be read');
  });
});

describe('verifyAnswers()', () => {
  it('complains about a process that changed and about one that is missing', () => {
    const before = arena('a'.repeat(16), 1);
    expect(() => verifyAnswers(before, before, 'now')).not.toThrow();
    expect(() => verifyAnswers(before, arena('b'.repeat(16), 1), 'after criu restore')).toThrow('after criu restore');
    expect(() => verifyAnswers(before, [], 'now')).toThrow(WrongBytes);
  });
});
