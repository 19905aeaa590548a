// Run in a process of its own: `node version-by-hand.js CRIU SESSIONS EXCHANGES`. What Node can do at least: its own child_process, its own blocking
// read and write on the socket, the bytes as constants. Only the SEQPACKET pair comes from the addon, because Node cannot make one.
// Blocking reads would stop the event loop of a service; here they make the strictest baseline that runs in Node.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readSync, writeSync } from 'node:fs';
import { seqpacketPair } from '../../addon/sockets.js';
import { decodeResponse } from '../../schema/rpc-codec.js';
import { formatVersion, repeat } from './repeat.js';

const [criu = '', sessions = '', exchanges = ''] = process.argv.slice(2);
// criu_req {1: type = VERSION}, and with {4: keep_open = true}.
const VERSION = Uint8Array.of(0x08, 0x0a);
const VERSION_KEEP_OPEN = Uint8Array.of(0x08, 0x0a, 0x20, 0x01);
const answer = new Uint8Array(64 * 1024);
let length = 0;

const session = await repeat(Number(sessions), async () => {
  const swrk = start();
  length = ask(swrk.socket.number, VERSION);
  await swrk.end();
});

const open = start();
const exchange = await repeat(Number(exchanges), async () => {
  ask(open.socket.number, VERSION_KEEP_OPEN);
});
await open.end();

const { version } = decodeResponse(answer.subarray(0, length));
const parts = version && { major: version.major_number, minor: version.minor_number, sublevel: version.sublevel ?? 0 };
process.stdout.write(`${JSON.stringify({ session, exchange, answer: formatVersion(parts) })}\n`);

function ask(fd: number, request: Uint8Array): number {
  writeSync(fd, request);
  return readSync(fd, answer);
}

function start(): { readonly socket: ReturnType<typeof seqpacketPair>[0]; end(): Promise<void> } {
  const [socket, theirs] = seqpacketPair();
  const child = spawn(criu, ['swrk', '3'], { stdio: ['ignore', 'ignore', 'ignore', theirs.number] });
  const exited = once(child, 'exit');
  theirs.close();
  return {
    socket,
    async end() {
      socket.close();
      await exited;
    },
  };
}
