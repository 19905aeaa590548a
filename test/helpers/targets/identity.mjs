// identity.mjs PORT_FILE LOG_FILE : tells, on each connection, what it knows of itself, and adds a line to its log.
//
// It listens on 127.0.0.1, and holds a connection to itself, over which each answer goes once to and fro. Everything it tells is asked of
// the kernel and of libc when it is asked, not remembered.
import { openSync, readlinkSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { hostname } from 'node:os';

const [, , portFile, logFile] = process.argv;
const log = openSync(logFile, 'a');
let line = 0;
let inner;

const echo = createServer((socket) => socket.pipe(socket));
const server = createServer((socket) => {
  line += 1;
  writeSync(log, `line ${line}\n`);
  const { remotePort, remoteAddress, localPort } = inner;
  inner.once('data', (bytes) => {
    const answer = {
      hostname: hostname(),
      // Node remembers what process.cwd() has answered once.
      cwd: readlinkSync('/proc/self/cwd'),
      color: process.env.COLOR ?? null,
      shade: process.env.SHADE ?? null,
      echoed: bytes.toString(),
      inner: { remotePort, remoteAddress, localPort },
      line,
    };
    socket.end(JSON.stringify(answer));
  });
  inner.write(`ping ${line}`);
});
echo.listen(0, '127.0.0.1', () => {
  inner = connect({ host: '127.0.0.1', port: echo.address().port }, () => {
    server.listen(0, '127.0.0.1', () => {
      writeFileSync(`${portFile}.new`, `${server.address().port} ${echo.address().port} ${inner.localPort}`);
      renameSync(`${portFile}.new`, portFile);
    });
  });
});
