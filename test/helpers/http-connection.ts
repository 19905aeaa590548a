// One HTTP connection on which requests are sent by hand: it must be *that* connection that answers, not a new one.

import { connect, type Socket } from 'node:net';
import { until } from './until.js';

export interface HttpConnection extends AsyncDisposable {
  readonly localPort: number;
  send(path: string): void;
  /** The body of the next answer. */
  answer(): Promise<{ requests: number; port: number }>;
}

export async function openHttp(port: number, host = '127.0.0.1'): Promise<HttpConnection> {
  const socket = connect({ host, port, noDelay: true });
  let received = '';
  let ended: string | undefined;
  socket.on('data', (bytes) => {
    received += bytes.toString();
  });
  socket.on('error', (reason) => {
    ended = reason.message;
  });
  socket.on('close', () => {
    ended ??= 'closed by the server';
  });
  await until('the server accepts', () => socket.readyState === 'open' || ended !== undefined);
  return {
    localPort: socket.localPort ?? -1,
    send: (path) => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: target\r\n\r\n`);
    },
    answer: async () => {
      const { body, rest } = await until('an answer arrives on the connection', () => {
        if (ended !== undefined) throw new Error(`The connection ended: ${ended}`);
        return takeAnswer(received);
      });
      received = rest;
      return JSON.parse(body);
    },
    [Symbol.asyncDispose]: () => close(socket),
  };
}

function takeAnswer(received: string): { body: string; rest: string } | undefined {
  const [head = '', ...after] = received.split('\r\n\r\n');
  const length = Number(head.match(/^content-length: (\d+)$/im)?.[1] ?? Number.NaN);
  const body = after.join('\r\n\r\n');
  if (!(body.length >= length)) return undefined;
  return { body: body.slice(0, length), rest: body.slice(length) };
}

async function close(socket: Socket): Promise<void> {
  socket.destroy();
  await until('the connection is closed', () => socket.closed);
}
