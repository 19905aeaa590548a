// memory-server.mjs PORT_FILE MEGABYTES : an HTTP server with a large memory. It answers GET / with what it counts, at once, and GET /digest with the
// digest of all that it holds.
import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [, , portFile, megabytes] = process.argv;
const held = Array.from({ length: Number(megabytes) }, (_, i) => Buffer.alloc(2 ** 20, `${i} of what it holds `));
let requests = 0;

function digest() {
  const hash = createHash('sha256');
  for (const piece of held) hash.update(piece);
  return hash.digest('hex');
}

const server = createServer((request, response) => {
  requests += 1;
  const body = JSON.stringify(request.url === '/digest' ? { requests, digest: digest() } : { requests });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  writeFileSync(`${portFile}.new`, String(server.address().port));
  renameSync(`${portFile}.new`, portFile);
});
