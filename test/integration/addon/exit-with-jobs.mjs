// Run as a program by process-end.test.ts: ends in the way that its argument names while jobs run. Plain JavaScript over
// the .node file: a child has no TypeScript.
import { createRequire } from 'node:module';

const [, , addon, way] = process.argv;
const native = createRequire(import.meta.url)(addon);
const [here, there] = native.seqpacketPair();
const job = native.receive(there);
job.done.then(
  () => console.log('received'),
  ({ errno, syscall }) => console.log(`rejected: ${syscall} ${errno}`),
);
const ways = {
  exit: () => process.exit(3),
  unref: () => job.unref(),
  message: () => native.send(here, new Uint8Array(1)),
  cancel: () => job.cancel(),
  throw: () => {
    throw new Error('on purpose');
  },
};
setImmediate(ways[way]);
