// How fast a restore fills memory here and now: it copies pages from a file in memory to memory that is not there yet, so that is
// what is measured, beside whatever else this host does.

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { unwritten } from './unwritten.js';

const BYTES = 8 * 2 ** 20;
// Some 20 ms in all: long enough to share the processors with others, as a restore has to; short enough to disturb nobody.
const ROUNDS = 4;
const MS_PER_S = 1000;

/** A file in `directory`, removed with it. Rejects with IO, which names it. */
export async function makeSample(directory: string): Promise<string> {
  const path = join(directory, 'sample');
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(Buffer.alloc(BYTES, 1)).finally(() => file.close());
    return path;
  } catch (cause) {
    throw unwritten(path, cause);
  }
}

/** In bytes per second. */
export async function measureFillRate(sample: string): Promise<number> {
  const file = await open(sample, 'r');
  try {
    const from = performance.now();
    let bytes = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      // Of this size it comes fresh from the kernel, without a page.
      const { bytesRead } = await file.read(Buffer.allocUnsafeSlow(BYTES), 0, BYTES, 0);
      bytes += bytesRead;
    }
    return (bytes / (performance.now() - from)) * MS_PER_S;
  } finally {
    await file.close();
  }
}
