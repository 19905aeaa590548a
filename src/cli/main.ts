#!/usr/bin/env node
import { nonblockingStdio } from './as-started.js';
import { run } from './run.js';

const nonblocking = nonblockingStdio();

// A reader that went away (`frazil explain log | head`) is not an error of ours.
process.stdout.on('error', () => process.exit());
const status = await run(process.argv.slice(2), process, nonblocking);
// What a slow reader at the other end of a pipe has not taken yet would be lost by exit().
await Promise.all([drained(process.stdout), drained(process.stderr)]);
// exit(), because handles of a verb that was interrupted may still be open.
process.exit(status);

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0) resolve();
    else stream.write('', () => resolve());
  });
}
