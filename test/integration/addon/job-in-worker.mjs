// Run in a worker_threads Worker by worker-teardown.test.ts: starts jobs and never ends, so that it must be terminated.
// Plain JavaScript over the .node file: a worker has no TypeScript.
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';

const native = createRequire(import.meta.url)(workerData.addon);
const jobs = [];
for (let i = 0; i < workerData.jobs; ++i) {
  const [here, there] = native.seqpacketPair();
  // A third wait for a message that never comes (every other one beside a process), a third wait for a process that stays, a third
  // settle all the time.
  if (i % 6 === 0) watch(here);
  else if (i % 3 === 0) jobs.push(native.receive(here));
  else if (i % 3 === 1) jobs.push(native.waitExit(native.pidfdOpen(process.pid)));
  else keepBusy(here, there);
  jobs.push(here, there);
  if (native.countJob !== undefined && i % 5 === 0) jobs.push(native.countJob(Number.MAX_SAFE_INTEGER, () => {}));
}
parentPort.postMessage('running');
setInterval(() => jobs.length, 1000);

function watch(socket) {
  const job = native.watchChild(native.pidfdOpen(process.pid), () => job.arm(socket));
  job.arm(socket);
  jobs.push(job);
}

async function keepBusy(here, there) {
  for (;;) {
    native.send(here, new Uint8Array(100), [there]);
    for (const fd of (await native.receive(there).done).fds) fd.close();
  }
}
