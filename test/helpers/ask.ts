// One question to a target's control socket: a line there, a line of JSON back, connection closed by the target.

import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

export class NoAnswer extends Error {}

/** Asks once. Throws NoAnswer if nobody listens or the connection ends without a line. */
export async function ask<T>(control: string, question: string): Promise<T> {
  const socket = connect({ path: control });
  try {
    socket.write(`${question}\n`);
    const reply = await text(socket);
    if (reply === '') throw new NoAnswer(`${control} closed without an answer to "${question}"`);
    // The targets are ours: what they send is what their first comment says.
    return JSON.parse(reply) as T;
  } catch (reason) {
    if (reason instanceof NoAnswer || !isUnreachable(reason)) throw reason;
    throw new NoAnswer(`${control} does not answer "${question}"`, { cause: reason });
  } finally {
    socket.destroy();
  }
}

function isUnreachable(reason: unknown): boolean {
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ECONNRESET' || code === 'EPIPE';
}
