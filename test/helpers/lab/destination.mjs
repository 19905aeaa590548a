// Runs in one of two machines of the lab: receives one migration over their cable, and asks the tree for itself there.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { receive } from '../../../dist/index.js';
import { ask, tell } from './ask.mjs';

const { control, ...options } = JSON.parse(process.argv[2]);

// The tree listens below it.
mkdirSync(dirname(control), { recursive: true });
const receiver = await receive(options);
tell({ event: 'listening', address: receiver.address, token: receiver.token });
for await (const arrival of receiver.arrivals()) {
  if (arrival.kind === 'running') {
    // Twice: it goes on writing here.
    const first = await ask(control, 'verify');
    tell({ event: 'running', pid: arrival.tree.pid, first, second: await ask(control, 'verify') });
  } else tell({ event: 'gone', message: String(arrival.failure) });
  break;
}
await receiver[Symbol.asyncDispose]();
