// Run in a process of its own by the peer `frazil-library-search`: one search by the library, and how long the call took.

import { searchMemory } from '../../images/search.js';

const [imagesDir = '.', needle = ''] = process.argv.slice(2);
const began = process.hrtime.bigint();
const { matches } = await searchMemory(imagesDir, [needle], { context: 0 });
const callUs = Number(process.hrtime.bigint() - began) / 1000;
const found = matches.map(({ address }) => ({ address: `0x${address.toString(16)}` }));
process.stdout.write(`${JSON.stringify({ callUs, matches: found })}\n`);
