// The second half of the demo: a server under constant requests moves between two hosts, which are network namespaces of this machine
// on one bridge (the second one has pids of its own, too). Its address goes along, and so does the client's only connection.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CACHE_MIB = 100;
const PORT = 8080;
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const FRAZIL = [process.execPath, here('../../dist/cli/main.js')];
const tag = (process.pid % 0xffff).toString(16);
const bridge = `fzd${tag}`;
const net = `10.${100 + (process.pid % 100)}.0`;
const address = `${net}.7/24`;

/** Prints what it does; resolves with whether everything was kept. Skips itself, and says so, where bridges cannot be made. */
export async function showMigration(say) {
  const work = await mkdtemp('/tmp/frazil-demo-');
  const children = [];
  const start = (command, args, output = 'pipe') => {
    const child = spawn(command, args, { stdio: ['ignore', output, output === 'pipe' ? 'inherit' : output] });
    children.push(child);
    return child;
  };
  try {
    try {
      ip('link', 'add', bridge, 'type', 'bridge');
    } catch {
      say('  not shown: this host cannot make network bridges');
      return true;
    }
    ip('address', 'add', `${net}.1/24`, 'dev', bridge);
    ip('link', 'set', bridge, 'up');
    return await moveServer({ work, start, say });
  } finally {
    for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    ip('link', 'del', bridge);
    await rm(work, { recursive: true, force: true });
  }
}

async function moveServer({ work, start, say }) {
  const socket = join(work, 'socket');
  const move = ['--move-address', `${address}@eth0`];
  const first = start('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 600']);
  await once(first.stdout, 'data');
  attach(first.pid, address, 1);
  // A receiver that ends must not take the namespace of its tree with it.
  const script = '"$@" & wait $!; sleep 600';
  const receive = [...FRAZIL, 'receive', '--listen', `unix:${socket}`, '--once', '--json', ...move];
  const namespaces = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const second = start('unshare', [...namespaces, 'sh', '-c', `ip link set lo up; ${script}`, 'sh', ...receive]);
  await once(createInterface({ input: second.stdout }), 'line');
  attach(await firstChild(second.pid), `${net}.3/24`, 2);

  const inFirst = ['-t', String(first.pid), '-n'];
  const server = start(
    'nsenter',
    [...inFirst, 'setsid', process.execPath, here('server.mjs'), PORT, CACHE_MIB, `${net}.7`],
    'ignore',
  );
  const client = await openClient(`${net}.7`, PORT);
  const before = JSON.parse(await client.ask('/digest'));
  const load = client.load();
  const to = ['--to', `unix:${socket}`, '--when-diverging', 'stop', '--max-iterations', '5'];
  const args = ['migrate', '-t', String(before.pid), ...to, '--tcp-established', '--json', ...move];
  const migration = start('nsenter', [...inFirst, ...FRAZIL, ...args]);
  let report;
  for await (const line of createInterface({ input: migration.stdout })) {
    const event = JSON.parse(line);
    if (event.downtimeMs !== undefined) report = event;
  }
  if (report === undefined) throw new Error('the migration has failed');
  await delay(500);
  const { answered, longestMs } = await load.end();
  const after = JSON.parse(await client.ask('/digest'));
  client.end();
  const kept = before.digest === after.digest && after.requests > before.requests && server.exitCode === null;
  say(
    `  ${CACHE_MIB} MiB, ${report.iterations.length} iterations, ${Math.round(report.wireBytes / 2 ** 20)} MiB on the wire`,
  );
  say(`  downtime ${Math.round(report.downtimeMs)} ms (predicted ${Math.round(report.predictedDowntimeMs)} ms)`);
  say(`  ${answered} requests answered meanwhile on one connection, the slowest in ${Math.round(longestMs)} ms`);
  say(
    `  memory ${before.digest === after.digest ? 'equal' : 'DIFFERENT'}, the counter went on from ${before.requests} to ${after.requests}`,
  );
  return kept;
}

function attach(pid, theirs, number) {
  const ours = `fzd${tag}v${number}`;
  ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
  ip('link', 'set', ours, 'master', bridge, 'up');
  for (const words of [
    ['link', 'set', 'lo', 'up'],
    ['address', 'add', theirs, 'dev', 'eth0'],
    ['link', 'set', 'eth0', 'up'],
  ])
    execFileSync('nsenter', ['-t', String(pid), '-n', 'ip', ...words]);
}

async function firstChild(pid) {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}

// By hand, so that it is one connection, and no other.
async function openClient(host, port) {
  const socket = await dial(host, port);
  let text = '';
  let wake = () => {};
  socket.setEncoding('utf8').on('data', (part) => {
    text += part;
    wake();
  });
  socket.on('close', () => wake());
  const ask = async (path) => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: demo\r\n\r\n`);
    for (;;) {
      const match = /^HTTP.*?\r\n\r\n.*?(\{[^}]*\})/s.exec(text);
      if (match !== null) {
        text = '';
        return match[1];
      }
      if (socket.destroyed) throw new Error('the connection was lost');
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
  };
  return { ask, load: () => startLoad(ask), end: () => socket.destroy() };
}

function startLoad(ask) {
  let going = true;
  const done = (async () => {
    let answered = 0;
    let longestMs = 0;
    while (going) {
      const from = performance.now();
      await ask('/');
      longestMs = Math.max(longestMs, performance.now() - from);
      answered += 1;
    }
    return { answered, longestMs };
  })();
  // Whoever ends the load is told.
  done.catch(() => {});
  return {
    end() {
      going = false;
      return done;
    },
  };
}

async function dial(host, port) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const socket = connect({ host, port, noDelay: true });
    const connected = await new Promise((resolve) =>
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
    );
    if (connected) return socket;
    await delay(50);
  }
  throw new Error('the server does not answer');
}

function ip(...words) {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}
