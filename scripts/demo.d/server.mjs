// The demo's subject: an ordinary HTTP server with a cache in memory. It counts requests and can prove what its memory holds.
//
//   node server.mjs PORT CACHE_MIB [HOST]

import { createHash, randomFillSync } from 'node:crypto';
import { createServer } from 'node:http';

const [port, cacheMiB] = process.argv.slice(2).map(Number);
const host = process.argv[4] ?? '127.0.0.1';
// In pieces, as a cache is; random, so that neither zero pages nor compression can flatter anybody.
const cache = Array.from({ length: cacheMiB }, () => randomFillSync(Buffer.allocUnsafeSlow(2 ** 20)));
let requests = 0;

const server = createServer((request, response) => {
  requests += 1;
  const body = { pid: process.pid, requests };
  if (request.url === '/digest') {
    const hash = createHash('sha1');
    for (const piece of cache) hash.update(piece);
    body.digest = hash.digest('hex');
  }
  response.end(JSON.stringify(body));
});
server.keepAliveTimeout = 0;
server.listen(port, host);
