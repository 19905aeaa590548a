#!/usr/bin/env node
import { nonblockingStdio } from './as-started.js';
import { run } from './run.js';

const nonblocking = nonblockingStdio();

// A reader that went away (`frazil explain log | head`) is not an error of ours.
process.stdout.on('error', () => process.exit());
// exit(), because handles of a verb that was interrupted may still be open; what was written to pipes and files is out by then.
process.exit(await run(process.argv.slice(2), process, nonblocking));
