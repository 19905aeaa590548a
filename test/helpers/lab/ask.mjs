// A question to a target's control socket, as ../ask.ts puts it: a machine of the lab compiles nothing.

import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

/** Asks once, as soon as somebody listens. */
export async function ask(control, question) {
  while (!existsSync(control)) await pause(50);
  const socket = connect({ path: control });
  socket.write(`${question}\n`);
  return JSON.parse(await text(socket));
}

/** To whoever booted this machine. */
export function tell(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
