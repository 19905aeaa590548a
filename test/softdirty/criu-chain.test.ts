// What the plain criu makes of a chain of two pre-dumps and a dump: the measure for Frazil's chains in frazil-chain.test.ts.

import { describe, expect } from 'vitest';
import { byCriu, byPageServer, startDirtier, summary, takeChain, type Verified } from '../helpers/chain.js';
import { CRIU_42, runCriu } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { tempDir } from '../helpers/temp-dir.js';

const LATER_LINKS = [
  'parent×100 data×300 parent×100 absent×50 parent×474',
  'absent×10 parent×190 data×100 parent×200 absent×10 data×10 absent×30 parent×474',
];

const WAYS = [
  {
    name: 'into its directory',
    take: byCriu(CRIU_42, { autoDedup: false }),
    stored: ['data×1024', ...LATER_LINKS],
  },
  {
    name: 'through its page server with auto-dedup',
    take: byPageServer(CRIU_42, { autoDedup: true }),
    stored: [
      'data×100 punched×300 data×624',
      'parent×100 data×100 punched×100 data×100 parent×100 absent×50 parent×474',
      LATER_LINKS[1],
    ],
  },
];

describe.each(WAYS)('criu writing $name', ({ take, stored }) => {
  testWith([CRIU_42.here, SOFT_DIRTY], 'restores what the memory held at the dump', async () => {
    await using dir = tempDir('tmpfs');
    await using target = await startDirtier(dir);
    const chain = await takeChain(dir, target, take);
    await runCriu(CRIU_42, 'restore', chain.links.at(-1)?.images ?? '', ['-d']);
    expect(await target.ask<Verified>('verify')).toEqual(chain.before);
    expect(chain.before.broken).toBe(0);
    expect(chain.stored.map(summary)).toEqual(stored);
  });
});
