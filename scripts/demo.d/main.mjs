// What ./scripts/demo shows. It uses the library as a service would; the CRIU beside it is run as its users run it.

import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readDumpStats } from '../../dist/images/stats.js';
import { dump, imagesDirectory, restore, version } from '../../dist/index.js';

import { showMigration } from './migration.mjs';

const RUNS = 3;
const PORT = 17_000 + (process.pid % 10_000);
// Large enough that memory, not the lock on the connection (80 ms of nftables in either case), is what the freeze is about.
const CACHE_MIB = Math.min(2048, Math.floor(freemem() / 2 ** 20 / 6));
const server = fileURLToPath(new URL('server.mjs', import.meta.url));
// One socket, kept open through everything below.
const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 0 });
const sockets = new Set();

const work = await mkdtemp('/dev/shm/frazil-demo-');
const disk = await mkdtemp('/var/tmp/frazil-demo-');
let subject;
try {
  await show();
} finally {
  await subject?.();
  agent.destroy();
  await Promise.all([work, disk].map((path) => rm(path, { recursive: true, force: true })));
}

async function show() {
  const criu = await version();
  say(`CRIU ${criu.text}, ${criu.criu.why}`);
  say(`Node ${process.version}, ${availableParallelism()} processors`);
  const pid = await startServer();
  const before = await ask('/digest');
  say(`The server (pid ${pid}) holds ${CACHE_MIB} MiB and has answered ${before.requests} requests on one connection.`);

  heading('Dumped while it runs on');
  const alone = [];
  const ours = [];
  // The first of each is not counted: memory that the host has not backed yet makes it several times slower.
  for (let run = 0; run <= RUNS; run += 1) {
    alone.push(await dumpAlone(pid, criu.criu.path));
    ours.push(await dumpOurs(pid));
    if (run > 0) say(`  frozen for ${ms(alone[run])} by CRIU alone, ${ms(ours[run])} by Frazil`);
  }
  await ask('/');

  heading('Dumped, killed, restored');
  const to = imagesDirectory(join(disk, 'final'));
  const final = await withProgress(dump(pid, { to, tcpEstablished: true }));
  await gone(pid);
  say(
    `The server is gone: ${mib(final.bytesReceived)} MiB are in "${to.path}". Asking it all the same, on the same connection ...`,
  );
  const answer = ask('/digest');
  const from = performance.now();
  const tree = await restore(to, { tcpEstablished: true }).done;
  const restoredMs = performance.now() - from;
  subject = () => tree.kill();
  const after = await answer;

  const median = (runs) => runs.slice(1).sort((a, b) => a - b)[Math.floor(RUNS / 2)];
  heading('Result');
  table([
    ['frozen, CRIU alone to tmpfs', ms(median(alone)), `median of ${RUNS}`],
    ['frozen, Frazil to disk', ms(median(ours)), `median of ${RUNS}`],
    ['ratio', (median(ours) / median(alone)).toFixed(2), 'smaller is better'],
    ['final dump to disk, in all', `${final.wallMs} ms`, `${mib(final.bytesReceived)} MiB`],
    ['restore', `${Math.round(restoredMs)} ms`, `pid ${tree.pid} again`],
    ['requests answered', String(after.requests), `${before.requests} before, the counter went on`],
    ['memory', before.digest === after.digest ? 'equal' : 'DIFFERENT', `sha1 ${after.digest.slice(0, 16)}...`],
    ['TCP connections used', String(sockets.size), 'the same one throughout'],
  ]);
  if (before.digest !== after.digest || sockets.size !== 1 || after.pid !== pid) process.exitCode = 1;

  heading('Moved to another host, under load, with its connection');
  if (!(await showMigration(say))) process.exitCode = 1;
}

async function startServer() {
  const child = spawn(process.execPath, [server, PORT, CACHE_MIB], { detached: true, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  subject = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  child.unref();
  for (;;) {
    try {
      await ask('/');
      return child.pid;
    } catch {
      sockets.clear();
      await delay(50);
    }
  }
}

function ask(path) {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port: PORT, path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.once('end', () => resolve(JSON.parse(text)));
    });
    request.once('socket', (socket) => sockets.add(socket));
    request.once('error', reject);
  });
}

async function dumpAlone(pid, criu) {
  const dir = join(work, 'alone');
  await mkdir(dir, { mode: 0o700 });
  const lock = ['--tcp-established', '--network-lock', 'nftables'];
  await promisify(execFile)(criu, ['dump', '-t', pid, '-D', dir, '--leave-running', '-o', 'dump.log', ...lock]);
  const { frozen_time } = await readDumpStats(dir);
  await rm(dir, { recursive: true });
  return frozen_time;
}

async function dumpOurs(pid) {
  const to = imagesDirectory(join(disk, 'running'), { replace: true });
  const run = dump(pid, { to, leaveRunning: true, tcpEstablished: true, networkLock: 'nftables' });
  return (await withProgress(run)).frozenTimeUs;
}

async function withProgress(run) {
  if (process.stderr.isTTY) {
    for await (const { phase, bytes, totalBytes } of run) {
      const share = Math.min(1, bytes / totalBytes);
      const bar = '#'.repeat(Math.round(share * 30)).padEnd(30, '.');
      process.stderr.write(`\r  ${phase.padEnd(10)} [${bar}] ${mib(bytes)} of ${mib(totalBytes)} MiB `);
    }
    process.stderr.write('\r\x1b[K');
  }
  return await run.done;
}

async function gone(pid) {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await delay(10);
  }
}

function say(text) {
  console.log(text);
}
function heading(text) {
  console.log(`\n${text}`);
}
function table(rows) {
  const widths = [0, 1].map((i) => Math.max(...rows.map((row) => row[i].length)));
  for (const [name, value, note] of rows)
    console.log(`  ${name.padEnd(widths[0])}  ${value.padStart(widths[1])}  ${note}`);
}
function ms(us) {
  return `${(us / 1000).toFixed(0)} ms`;
}
function mib(bytes) {
  return Math.round(bytes / 2 ** 20);
}
