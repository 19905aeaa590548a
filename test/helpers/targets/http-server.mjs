// http-server.mjs PORT_FILE [HOST] : an HTTP server that counts. What it counts lives only in its memory.
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [, , portFile, host = '127.0.0.1'] = process.argv;
const seen = new Map();
let requests = 0;

const server = createServer((request, response) => {
  requests += 1;
  seen.set(request.url, (seen.get(request.url) ?? 0) + 1);
  const body = JSON.stringify({ requests, paths: Object.fromEntries(seen), port: request.socket.remotePort });
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(body);
});
// A dump may take longer than Node keeps an idle connection.
server.keepAliveTimeout = 0;
server.listen(0, host, () => {
  writeFileSync(`${portFile}.new`, String(server.address().port));
  renameSync(`${portFile}.new`, portFile);
});
