import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { readDumpStats, readRestoreStats } from '../../../src/images/stats.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { statsFile } from './records.js';

const DUMP = {
  freezing_time: 1,
  frozen_time: 2,
  memdump_time: 3,
  memwrite_time: 4,
  pages_scanned: 5n,
  pages_skipped_parent: 6n,
  pages_written: 7n,
  pages_lazy: 8n,
};
const RESTORE = { pages_compared: 1n, pages_skipped_cow: 2n, forking_time: 3, restore_time: 4 };

async function read(name: 'stats-dump' | 'stats-restore', bytes: Uint8Array | undefined): Promise<unknown> {
  await using dir = tempDir();
  if (bytes !== undefined) writeFileSync(join(dir.path, name), bytes);
  const reading = name === 'stats-dump' ? readDumpStats(dir.path) : readRestoreStats(dir.path);
  return await reading.catch((error: unknown) => {
    if (!(error instanceof CheckpointError)) throw error;
    return error.code;
  });
}

describe('stats files', () => {
  it('give back what CRIU counted', async () => {
    expect(await read('stats-dump', statsFile({ dump: DUMP }))).toEqual(DUMP);
    expect(await read('stats-restore', statsFile({ restore: RESTORE }))).toEqual(RESTORE);
  });

  it('are refused when they are of the other verb, absent, foreign or cut short', async () => {
    expect(await read('stats-dump', statsFile({ restore: RESTORE }))).toBe('IMAGES_CORRUPT');
    expect(await read('stats-restore', statsFile({ dump: DUMP }))).toBe('IMAGES_CORRUPT');
    expect(await read('stats-dump', undefined)).toBe('IO');
    expect(await read('stats-dump', Buffer.from('twelve bytes'))).toBe('IMAGES_CORRUPT');
    const whole = statsFile({ dump: DUMP });
    for (const length of [0, 4, 8, 11, 12, whole.length - 1]) {
      expect(await read('stats-dump', whole.subarray(0, length))).toBe('IMAGES_CORRUPT');
    }
  });

  it('are refused or read, whatever a byte of theirs is', async () => {
    const whole = statsFile({ dump: DUMP });
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, byte) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        const found = await read('stats-dump', bytes);
        return typeof found === 'object' || found === 'IMAGES_CORRUPT';
      }),
      { numRuns: 200 },
    );
  });
});
