// A destination whose disk is full, at different instants: the tree stays, the source says which file there, and nothing is left behind.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { migrate } from '../../src/migrate/migrate.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { expectOne, stage } from '../helpers/migration-stage.js';
import { testWith } from '../helpers/needs.js';
import { until } from '../helpers/until.js';

const MIB = 2 ** 20;

/** What the source says: of a tree that stays. */
async function refusalOf(run: { readonly done: Promise<unknown> }): Promise<CheckpointError> {
  const error: unknown = await run.done.then(
    () => 'it has moved',
    (reason: unknown) => reason,
  );
  if (!CheckpointError.is(error)) throw error;
  return error;
}

// Of 8 MiB of memory and some files; the sample by which filling memory is measured there takes 8.
const DISKS = [
  { when: 'before the first page', imagesBytes: 4 * MIB, message: undefined, code: 'IO' },
  { when: 'while the first pages come', imagesBytes: 12 * MIB, message: undefined, code: 'IO' },
  { when: 'when the image files come', imagesBytes: 64 * MIB, message: 'to-destination file', code: 'RESTORE_REFUSED' },
] as const;

for (const { when, imagesBytes, message, code } of DISKS) {
  testWith([CRIU_42.here], `a disk that is full ${when} leaves the tree here, and is named`, async () => {
    let full = message === undefined;
    const fill = (images: string): void => {
      full = true;
      // All that there is.
      expect(() => writeFileSync(join(images, 'filler'), Buffer.alloc(imagesBytes))).toThrow('ENOSPC');
    };
    await using on = await stage(
      (direction, type) => {
        if (!full && `${direction} ${type}` === message) fill(on.images);
        return 'pass';
      },
      { imagesBytes },
    );
    const before = await on.target.ask('digest');
    const failure = await refusalOf(
      migrate(on.target.pid, { to: on.proxy.address, criu: CRIU_42.path, maxDowntimeMs: 2000 }),
    );
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(/"[^"]*images\/[^"]*": ENOSPC\. Free space there.* The tree runs on here$/);
    await expectOne(on, 'stayed', before);
    await on.host.event('ended');
    await until('nothing is left there', () => readdirSync(on.images).every((name) => name === 'filler'));
  });
}
