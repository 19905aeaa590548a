// A source of pages, or a copy, that fails while pages are fetched: the copy is dead and the error names page and source; the tree that the pages
// were taken from runs on, as CRIU has it, and only when the copy is dead.

import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { servePages } from '../../src/criu/lazy/serve-pages.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { CRIU_41, CRIU_42 } from '../helpers/criu-cli.js';
import { type LeftBehind, LOOPBACK, leftBehind } from '../helpers/left-behind.js';
import { testWith } from '../helpers/needs.js';
import { childrenOf, commandOf } from '../helpers/procfs.js';
import { openProxy, type Spoil } from '../helpers/proxy.js';
import { until } from '../helpers/until.js';

const MEGABYTES = 64;
const SLOW = 8 * 2 ** 20;

const SOURCE = /page 0x[0-9a-f]+ of process 1 cannot be had from the page server 127\.0\.0\.1:\d+: /;

/** Restores through whoever listens at `port`, and waits for the end that it comes to. */
async function failing(left: LeftBehind, port: number, errno: readonly string[]): Promise<void> {
  const restoring = left.restore({ bytesPerSecond: SLOW }, port);
  const ended = restoring.then(async (tree) => {
    const reason = await tree.filling?.done.catch((failure: unknown) => failure);
    expect(reason).toBeInstanceOf(CheckpointError);
    expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
    return reason;
  });
  const error = await ended.catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'LAZY_FAILED',
    message: expect.stringMatching(SOURCE),
    detail: { fault: 'source', pid: 1, vaddr: expect.stringMatching(/^0x/), pageServer: `${LOOPBACK}:${port}` },
  });
  if (CheckpointError.is(error, 'LAZY_FAILED')) expect(errno).toContain(error.detail.errno);
  expect(existsSync(`${left.control}.broken`)).toBe(false);
}

const stateOf = (pid: number): string => /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';

/** What is left is the tree that was dumped, and it runs. */
async function sourceRunsAlone({ target, tasks, holder }: LeftBehind): Promise<void> {
  expect(await holder.ended).not.toBe(0);
  expect(tasks()).toEqual([target.pid]);
  await until('the source runs', () => ['S', 'R'].includes(stateOf(target.pid)));
}

testWith([CRIU_42.here], 'kill -9 of criu dump --lazy-pages ends the copy', async () => {
  await using left = await leftBehind(CRIU_42, { megabytes: MEGABYTES });
  const failed = failing(left, left.holder.port, ['ECONNRESET']);
  await until('the copy runs', () => left.tasks().length === 2);
  left.holder.kill();
  await failed;
});

// CRIU's has read them all before it listens.
describe.each(['a directory', 'an archive'])('%s that our page server gives out, cut short under it,', (what) => {
  testWith([CRIU_42.here], 'ends the copy, and both ends name the page', async () => {
    await using left = await leftBehind(CRIU_42, { megabytes: MEGABYTES, holding: 'nobody' });
    const path = join(left.dumped, '..', 'a.tar.zst');
    if (what === 'an archive') await createArchive(left.dumped, { to: path, compress: 'zstd' }).done;
    const source = what === 'an archive' ? archive(path) : imagesDirectory(left.dumped);
    const server = await servePages(source, { address: LOOPBACK });
    const served = expect(server.done).rejects.toMatchObject({
      code: 'IMAGES_CORRUPT',
      message: expect.stringMatching(/page 0x[0-9a-f]+ of process 1 cannot be read/),
    });
    const failed = failing(left, server.port, ['ECONNRESET', 'EPIPE']);
    await until('the copy runs', () => left.tasks().length > 0);
    truncateSync(source.kind === 'archive' ? path : join(left.dumped, 'pages-1.img'), 2 ** 20);
    await failed;
    await served;
  });
});

type Victim = 'server' | 'guardian';
const ROUNDS = 3;

describe.each<Victim>(['server', 'guardian'])('kill -9 of our %s', (victim) => {
  testWith([CRIU_42.here], 'ends the copy, and then lets the source run on', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      await using left = await leftBehind(CRIU_42, { megabytes: MEGABYTES });
      const tree = await left.restore({ bytesPerSecond: SLOW });
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      process.kill(serviceProcess(victim), 'SIGKILL');
      await expect(tree.filling?.done).rejects.toMatchObject({ detail: { fault: `${victim}-died` } });
      expect(await tree.exited).toMatchObject({ kind: 'signaled', signal: 9 });
      await sourceRunsAlone(left);
    }
  });
});

function serviceProcess(victim: Victim): number {
  const guardian = childrenOf(process.pid).find((pid) => commandOf(pid)[0] === 'frazil-lazy') ?? -1;
  return victim === 'guardian' ? guardian : (childrenOf(guardian)[0] ?? -1);
}

testWith([CRIU_42.here], 'a restore that is aborted lets the source run on', async () => {
  await using left = await leftBehind(CRIU_42, { megabytes: MEGABYTES });
  const tree = await left.restore({ bytesPerSecond: SLOW });
  await tree.filling?.[Symbol.asyncDispose]();
  await tree.exited;
  await sourceRunsAlone(left);
});

// The head of an answer, and where in it its address and its length are.
const FORMS = [
  { criu: CRIU_42, head: 32, vaddr: 16, pages: 8 },
  { criu: CRIU_41, head: 24, vaddr: 8, pages: 4 },
] as const;

describe.each(FORMS)('in the middle, with a head of $head bytes', ({ criu, vaddr, pages }) => {
  const spoils: readonly { name: string; errno: readonly string[]; spoil: () => Spoil }[] = [
    {
      name: 'an answer that ends in the middle',
      errno: ['ECONNRESET'],
      spoil: () => cutting((client) => client.end()),
    },
    {
      name: 'a reset in the middle of an answer',
      errno: ['ECONNRESET'],
      spoil: () => cutting((client) => client.resetAndDestroy()),
    },
    { name: 'an answer about another page', errno: ['EBADMSG'], spoil: () => writing(vaddr, 0x77000) },
    { name: 'an answer that is longer than asked for', errno: ['EBADMSG'], spoil: () => writing(pages, 5000) },
    { name: 'an answer without a page', errno: ['ENODATA'], spoil: () => writing(pages, 0) },
    { name: 'something else instead of an answer', errno: ['EBADMSG'], spoil: () => writing(0, 0x55) },
  ];
  for (const { name, errno, spoil } of spoils) {
    testWith([criu.here], `${name} ends the copy`, async () => {
      await using left = await leftBehind(criu, { megabytes: 16 });
      await using proxy = await openProxy(left.holder.port, spoil());
      await failing(left, proxy.port, errno);
      await sourceRunsAlone(left);
    });
  }
});

// The two answers with which the sides meet, each a number of 4 bytes.
const MEETING = 8;
// By then the tree runs.
const SOON = 3 * 2 ** 20;

function cutting(cut: (client: Parameters<Spoil>[2]) => void): Spoil {
  return (piece, at, client) => {
    if (at + piece.length < SOON) return piece;
    const rest = piece.subarray(0, Math.max(0, SOON + 100 - at));
    client.write(rest, () => cut(client));
    return Buffer.alloc(0);
  };
}

/** Into the first head. */
function writing(offset: number, value: number): Spoil {
  const spoilt = Buffer.alloc(4);
  spoilt.writeUInt32LE(value);
  return (piece, at) => {
    for (let i = 0; i < spoilt.length; i += 1) {
      const where = MEETING + offset + i - at;
      if (where >= 0 && where < piece.length) piece[where] = spoilt[i] ?? 0;
    }
    return piece;
  };
}

testWith([CRIU_42.here], 'what is no page server is refused before anything is restored', async () => {
  await using left = await leftBehind(CRIU_42, { megabytes: 1, holding: 'nobody' });
  const server = createServer((_, answer) => void answer.end('hello'));
  await new Promise<void>((ready) => server.listen(0, LOOPBACK, ready));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    await expect(left.restore({}, port)).rejects.toMatchObject({
      code: 'LAZY_FAILED',
      message: expect.stringContaining(`the page server ${LOOPBACK}:${port} is none that can be talked to`),
    });
  } finally {
    server.close();
  }
  await expect(left.restore({}, port)).rejects.toMatchObject({ code: 'IO', detail: { errno: 'ECONNREFUSED' } });
  expect(left.tasks()).toEqual([]);
});
