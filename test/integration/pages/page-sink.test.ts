import { readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { openPageSink, type PageSink } from '../../../src/addon/page-sink.js';
import { streamPair } from '../../../src/addon/sockets.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { openDirectory } from '../../../src/images/staging.js';
import { readRuns } from '../../helpers/stored-pages.js';
import { type TempDir, withTempDir } from '../../helpers/temp-dir.js';
import { keepingFds } from './keeping-fds.js';

const PAGE = 4096;
const COMMAND = { open2: 4, present: 6 | (4 << 16), forceClose: 0x1024 } as const;

/** A header of CRIU 4.2. */
function header(cmd: number, pages = 0, vaddr = 0, id = 0): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(cmd, 0);
  bytes.writeBigUInt64LE(BigInt(pages), 8);
  bytes.writeBigUInt64LE(BigInt(vaddr), 16);
  bytes.writeBigUInt64LE(BigInt(id), 24);
  return bytes;
}

const TASK_1 = (1 << 8) | 1;
const CONVERSATION = [
  header(COMMAND.open2, 0, 0, TASK_1),
  header(COMMAND.present, 2, 0x10000),
  Buffer.alloc(2 * PAGE, 'x'),
  header(COMMAND.forceClose),
];

async function open(dir: TempDir, store: 'memory' | 'directory'): Promise<PageSink> {
  using directory = await openDirectory(dir.path);
  return openPageSink({ directory, store, workers: 2, firstPagesId: 1 });
}

describe.each(['memory', 'directory'] as const)('a page sink with store %s', (store) => {
  it('takes a conversation and writes it', async () => {
    await keepingFds(async (dir) => {
      using sink = await open(dir, store);
      await sink.prepare(PAGE).done;
      const [ours, theirs] = streamPair();
      const client = new Socket({ fd: theirs.take() });
      const closed = new Promise((resolve) => client.on('close', resolve));
      const answers: Buffer[] = [];
      client.on('data', (bytes) => void answers.push(bytes));
      client.write(Buffer.concat(CONVERSATION));
      expect(await sink.serve(ours).done).toEqual({ headerBytes: 32 });
      await closed;
      expect(Buffer.concat(answers)).toEqual(Buffer.alloc(5));
      await sink.settle().done;
      await sink.dedup().done;
      expect(sink.counters()).toMatchObject({ bytesIn: 2 * PAGE, bytesOut: 2 * PAGE, images: 1, deduplicatedPages: 0 });
      expect(readdirSync(dir.path).sort()).toEqual(['pagemap-1.img', 'pages-1.img']);
      expect(readRuns(dir.path, 1).runs).toEqual([{ address: 0x10000n, pages: 2n, kind: 'present', lazy: false }]);
    });
  });

  it('says that the peer hung up, as a value', async () => {
    await keepingFds(async (dir) => {
      using sink = await open(dir, store);
      const [ours, theirs] = streamPair();
      theirs.close();
      const { failure } = await sink.serve(ours).done;
      expect(failure?.fault).toBe('hung-up');
    });
  });

  it('ends a reception that is aborted', async () => {
    await keepingFds(async (dir) => {
      using sink = await open(dir, store);
      const [ours, theirs] = streamPair();
      using _theirs = theirs;
      const controller = new AbortController();
      const serving = sink.serve(ours, { signal: controller.signal });
      controller.abort('enough');
      expect((await serving.done).failure?.fault).toBe('cancelled');
    });
  });

  it('gives everything back when it is closed, whatever it was in the middle of', async () => {
    await keepingFds(async (dir) => {
      const sink = await open(dir, store);
      const preparing = sink.prepare(2 ** 26);
      sink[Symbol.dispose]();
      sink[Symbol.dispose]();
      expect(() => sink.settle()).toThrow(TypeError);
      expect(() => sink.prepare(1)).toThrow(TypeError);
      await preparing.done;
      expect(sink.counters().bytesPrepared > 0).toBe(store === 'memory');
    });
  });
});

it('refuses no copying threads, and more than are of use', async () => {
  await withTempDir('disk', async (dir) => {
    using directory = await openDirectory(dir.path);
    for (const workers of [0, 65, 2 ** 32]) {
      const make = (): PageSink => openPageSink({ directory, store: 'memory', workers, firstPagesId: 1 });
      let error: unknown;
      try {
        make();
      } catch (reason) {
        error = reason;
      }
      expect(CheckpointError.is(error, 'IO') && error.detail.errno).toBe('EINVAL');
    }
  });
});
