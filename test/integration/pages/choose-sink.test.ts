// Memory that comes too slowly is given back, and the pages take the other way.

import { expect, it } from 'vitest';
import type { NativePageSinkOptions } from '../../../src/addon/native-pages.js';
import { openPageSink } from '../../../src/addon/page-sink.js';
import { type ChosenSink, chooseSink } from '../../../src/criu/choose-sink.js';
import { openDirectory } from '../../../src/images/staging.js';
import type { Absorb } from '../../../src/pages/store.js';
import { tempDir } from '../../helpers/temp-dir.js';

const MIB = 2 ** 20;

interface Asked {
  readonly absorb: Absorb;
  readonly expectedBytes: number;
  readonly leastBytesPerMs?: number;
}

async function choose({ absorb, expectedBytes, leastBytesPerMs }: Asked): Promise<Omit<ChosenSink, 'sink'>> {
  await using dir = tempDir();
  using directory = await openDirectory(dir.path);
  const { sink, store } = await chooseSink({
    plan: { verb: 'dump', pid: 1, absorb, runsOn: true },
    place: {
      choose: () => ({
        store: { kind: 'memory', why: 'so the test says' },
        otherwise: 'archive',
        ...(leastBytesPerMs === undefined ? {} : { leastBytesPerMs }),
      }),
      openSink: async (choice) => {
        const options: NativePageSinkOptions = { directory, store: choice.store, workers: 2, firstPagesId: 1 };
        return openPageSink(options);
      },
    },
    expectedBytes,
    signal: new AbortController().signal,
  });
  sink[Symbol.dispose]();
  return { store };
}

it.each([
  // Nothing is as fast as this; 2 GiB take longer than the time until the first look.
  [{ absorb: 'auto', expectedBytes: 2048 * MIB, leastBytesPerMs: Number.POSITIVE_INFINITY }, 'archive'],
  [{ absorb: 'always', expectedBytes: 64 * MIB, leastBytesPerMs: Number.POSITIVE_INFINITY }, 'memory'],
  [{ absorb: 'auto', expectedBytes: 64 * MIB, leastBytesPerMs: 1 }, 'memory'],
  [{ absorb: 'auto', expectedBytes: 64 * MIB }, 'memory'],
] as const)('chooseSink() with %j takes "%s"', async (asked, kind) => {
  const { store } = await choose(asked);
  expect(store.kind).toBe(kind);
  if (kind === 'archive') expect(store.why).toMatch(/^memory to absorb the pages comes slowly \(\d+ MiB in \d+ ms\)$/);
});
