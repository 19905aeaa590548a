// Receives one migration, and says on stdout what becomes of it: for second-host.ts.

import { receive } from '../../src/migrate/receive.js';

const options = JSON.parse(process.argv[2] ?? '{}');
const tell = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

const receiver = await receive(options);
tell({ event: 'listening', address: receiver.address, token: receiver.token });
for await (const arrival of receiver.arrivals()) {
  if (arrival.kind === 'running') tell({ event: 'running', pid: arrival.tree.pid });
  else tell({ event: 'gone', message: String(arrival.failure) });
  break;
}
await receiver[Symbol.asyncDispose]();
tell({ event: 'ended' });
