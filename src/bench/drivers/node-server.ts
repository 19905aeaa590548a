// What `restore/node-server` restores: an HTTP server in Node with a heap. GET / is answered with one of the things that it holds, as a service looks
// one up; GET /digest with the digest of all of them.

import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [said = '', sizeBytes = '0', seed = '0'] = process.argv.slice(2);

const ENTRY_BYTES = 1024;
const PIECE_BYTES = 64 * 1024;

// Half of it lies in the heap of V8, half in buffers outside.
const words = random(Number(seed));
const entries = new Map<string, string>();
for (let i = 0; i < Number(sizeBytes) / 2 / ENTRY_BYTES; i++)
  entries.set(`entry-${i}`, bytes(ENTRY_BYTES).toString('latin1'));
const pieces: Buffer[] = [];
for (let i = 0; i < Number(sizeBytes) / 2 / PIECE_BYTES; i++) pieces.push(bytes(PIECE_BYTES));

let requests = 0;

const server = createServer((request, response) => {
  requests += 1;
  const { length = 0 } = entries.get(`entry-${requests % entries.size}`) ?? {};
  const answer = request.url === '/digest' ? { requests, digest: digest() } : { requests, length };
  response.setHeader('connection', 'close').end(JSON.stringify(answer));
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  writeFileSync(`${said}.new`, JSON.stringify({ port, digest: digest() }));
  renameSync(`${said}.new`, said);
});

function digest(): string {
  const hash = createHash('sha256');
  for (const [key, value] of entries) hash.update(key).update(value, 'latin1');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}

function bytes(length: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(length);
  for (let at = 0; at < length; at += 4) buffer.writeInt32LE(words(), at);
  return buffer;
}

/** xorshift32: the same of the same seed. */
function random(from: number): () => number {
  let state = (from * 2654435761) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state | 0;
  };
}
