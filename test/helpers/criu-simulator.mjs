#!/usr/bin/env node
// A program that speaks CRIU's side of `criu swrk N`: real SEQPACKET socket, real packets, real fds, and real processes that it
// stops, kills and starts. What it cannot do is dump anything. test/e2e/rpc-session.test.ts runs the same suite over it and over
// CRIU, so that it stays honest. Its protobuf is read by protobufjs from a schema of its own, not by src/schema.
//
// FRAZIL_SIMULATE (JSON) says what it is and how it fails:
//   version   [4, 2, 1]
//   memTrack  whether the kernel tracks memory
//   script    one more script, with its fd if it is orphan-pts-master: a dump sends it before post-dump, a restore before post-restore
//   ignores   true: it does not care that nobody listens any more
//   fault     { at, what }: at 'request', 'notify:SCRIPT' (sent, not answered yet) or 'answer' (instead of it);
//             what 'exit', 'segv', 'abort', 'garbage', 'empty', 'long', 'wrong-type', 'silence', 'fd', 'orphans'

import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const native = createRequire(import.meta.url)(
  process.env.FRAZIL_ADDON ?? fileURLToPath(new URL('../../build/Release/frazil.node', import.meta.url)),
);

const { root } = protobuf.parse(
  `syntax = "proto2";
  enum kind { EMPTY = 0; DUMP = 1; RESTORE = 2; CHECK = 3; PRE_DUMP = 4; PAGE_SERVER = 5; NOTIFY = 6; CPUINFO_DUMP = 7;
    CPUINFO_CHECK = 8; FEATURE_CHECK = 9; VERSION = 10; WAIT_PID = 11; PAGE_SERVER_CHLD = 12; SINGLE_PRE_DUMP = 13; }
  message fd_entry { required string key = 1; required int32 fd = 2; }
  message opts { required int32 images_dir_fd = 1; optional int32 pid = 2; optional bool leave_running = 3;
    optional string log_file = 10; optional bool notify_scripts = 12; optional bool track_mem = 15; optional int32 work_dir_fd = 17;
    repeated string exec_cmd = 22; repeated fd_entry inherit_fd = 27; repeated string external = 37; optional string config_file = 51;
    optional bool display_stats = 70; }
  message features { optional bool mem_track = 1; optional bool lazy_pages = 2; optional bool pidfd_store = 3; }
  message req { required int32 type = 1; optional opts opts = 2; optional bool notify_success = 3; optional bool keep_open = 4;
    optional features features = 5; optional uint32 pid = 6; }
  message dump { optional bool restored = 1; } message restore { required int32 pid = 1; }
  message notify { optional string script = 1; optional int32 pid = 2; }
  message ps { optional string address = 1; optional int32 port = 2; optional int32 pid = 3; optional int32 fd = 4; }
  message version { required int32 major_number = 1; required int32 minor_number = 2; optional string gitid = 3; optional int32 sublevel = 4; }
  message resp { required int32 type = 1; required bool success = 2; optional dump dump = 3; optional restore restore = 4;
    optional notify notify = 5; optional ps ps = 6; optional int32 cr_errno = 7; optional features features = 8;
    optional string cr_errmsg = 9; optional version version = 10; optional int32 status = 11; }`,
  { keepCase: true },
);
const KIND = root.lookupEnum('kind').values;
const Request = root.lookupType('req');
const Response = root.lookupType('resp');
const MAY_KEEP_OPEN = ['PAGE_SERVER', 'PAGE_SERVER_CHLD', 'CPUINFO_DUMP', 'CPUINFO_CHECK', 'FEATURE_CHECK', 'VERSION'];
const PROTOCOL_TROUBLE = 255;

const simulated = { version: [4, 2, 1], memTrack: false, ...JSON.parse(process.env.FRAZIL_SIMULATE ?? '{}') };
const socket = native.Fd.adopt(connection(process.argv.slice(2)));
const children = new Map();
let external = [];

function connection(args) {
  const words = args.filter((word) => word !== '--no-default-config');
  if (words.length !== 2 || words[0] !== 'swrk') {
    writeSync(2, 'Usage: criu swrk <fd>\n');
    process.exit(1);
  }
  return Number(words[1]);
}

await serve();

async function serve() {
  for (;;) {
    const request = await receive();
    if (request === undefined) process.exit(await gone());
    const kind = Object.keys(KIND).find((name) => KIND[name] === request.type) ?? 'EMPTY';
    if (request.keep_open === true && !MAY_KEEP_OPEN.includes(kind)) process.exit(PROTOCOL_TROUBLE);
    await fault('request');
    const served = await run(kind, request);
    if (request.keep_open !== true && !(kind === 'PRE_DUMP' && served)) process.exit(served ? 0 : statusOf(kind));
  }
}

function statusOf(kind) {
  return kind === 'DUMP' || kind === 'RESTORE' ? 1 : PROTOCOL_TROUBLE;
}

async function gone() {
  if (simulated.ignores === true) await new Promise((resolve) => setTimeout(resolve, 300));
  writeSync(2, "Error (criu/cr-service.c:88): Can't recv request: Connection reset by peer\n");
  return PROTOCOL_TROUBLE;
}

async function run(kind, request) {
  const { opts } = request;
  switch (kind) {
    case 'VERSION': {
      const [major_number, minor_number, sublevel] = simulated.version;
      return answer(kind, { version: { major_number, minor_number, sublevel } });
    }
    case 'FEATURE_CHECK': {
      if (request.features === null) return refuse(kind);
      const { mem_track, lazy_pages, pidfd_store } = request.features;
      return answer(kind, { features: { mem_track: mem_track && simulated.memTrack, lazy_pages, pidfd_store } });
    }
    case 'CHECK':
      if (opts === null && simulated.version[1] < 2) return refuse(kind);
      writeSync(1, 'Looks good.\n');
      return answer(kind, {});
    case 'CPUINFO_DUMP':
      writeFileSync(`${directory(opts)}/cpuinfo.img`, '');
      return answer(kind, {});
    case 'CPUINFO_CHECK':
      readFileSync(`${directory(opts)}/cpuinfo.img`);
      return answer(kind, {});
    case 'PAGE_SERVER_CHLD': {
      const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
      children.set(
        child.pid,
        new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal }))),
      );
      return answer('PAGE_SERVER', { ps: { pid: child.pid, port: 5000 } });
    }
    case 'WAIT_PID': {
      const ended = await children.get(request.pid);
      if (ended === undefined) return refuse(kind, { cr_errno: 10 });
      return answer(kind, { status: ended.signal === null ? ended.code << 8 : constants.signals[ended.signal] });
    }
    case 'DUMP':
      return await dump(opts);
    case 'PRE_DUMP':
    case 'SINGLE_PRE_DUMP':
      // Tracking turns itself on after the check whether the kernel can do it.
      if (!simulated.memTrack) process.kill(process.pid, opts.track_mem ? 'SIGKILL' : 'SIGABRT');
      return answer(kind, {});
    case 'RESTORE':
      return await restore(opts);
    default:
      return refuse('EMPTY');
  }
}

// CRIU opens it as a path in the process that made the socket pair: for us, the one that started us.
function directory(opts) {
  return `/proc/${process.ppid}/fd/${opts.images_dir_fd}`;
}

async function dump(opts) {
  if (opts === null) crash('segv');
  const log = openSync(
    `${opts.work_dir_fd ? `/proc/${process.ppid}/fd/${opts.work_dir_fd}` : directory(opts)}/${opts.log_file || 'criu.log'}`,
    'w',
  );
  try {
    if (!exists(opts.pid))
      return refuse('DUMP', { cr_errno: 3, cr_errmsg: `Error (criu/seize.c:1): no task ${opts.pid}\n` });
    if (!(await notify(opts, 'pre-dump'))) return refuse('DUMP');
    process.kill(opts.pid, 'SIGSTOP');
    while (!/\) T /.test(readFileSync(`/proc/${opts.pid}/stat`, 'utf8'))) await new Promise(setImmediate);
    const environ = readFileSync(`/proc/${opts.pid}/environ`, 'utf8');
    const taken = (await notify(opts, 'query-ext-files')) && (await extra(opts));
    writeFileSync(`${directory(opts)}/inventory.img`, JSON.stringify({ environ, external }));
    if (!taken || !(await notify(opts, 'post-dump'))) {
      process.kill(opts.pid, 'SIGCONT');
      return refuse('DUMP');
    }
    process.kill(opts.pid, opts.leave_running ? 'SIGCONT' : 'SIGKILL');
    if (opts.display_stats || says(opts, 'display-stats')) writeSync(1, 'Displaying dump stats:\n');
    return answer('DUMP', { dump: { restored: false } });
  } finally {
    closeSync(log);
  }
}

async function restore(opts) {
  if (opts === null) crash('segv');
  const { environ } = JSON.parse(readFileSync(`${directory(opts)}/inventory.img`, 'utf8'));
  const env = Object.fromEntries(
    environ
      .split('\0')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  if (!(await notify(opts, 'pre-restore'))) return refuse('RESTORE');
  const child = spawn('sleep', ['1000'], { env, detached: true, stdio: 'ignore' });
  const went = (await extra(opts)) && (await notify(opts, 'post-restore', child.pid));
  if (!went) {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    return refuse('RESTORE');
  }
  // A refusal is only logged from here on.
  await notify(opts, 'pre-resume');
  await notify(opts, 'post-resume');
  return answer('RESTORE', { restore: { pid: child.pid } });
}

async function notify(opts, script, pid) {
  if (opts.notify_scripts !== true && !opts.notify_scripts) return true;
  const fds = script === 'orphan-pts-master' ? [native.Fd.adopt(openSync('/dev/ptmx', 'r+'))] : [];
  send({ type: KIND.NOTIFY, success: true, notify: { script, ...(pid === undefined ? {} : { pid }) } }, fds);
  for (const fd of fds) fd.close();
  await fault(`notify:${script}`);
  const reply = await receive();
  if (script === 'query-ext-files') external = reply?.opts?.external ?? [];
  return reply?.type === KIND.NOTIFY && reply.notify_success === true;
}

async function extra(opts) {
  return simulated.script === undefined ? true : await notify(opts, simulated.script);
}

async function answer(kind, payload) {
  await fault('answer');
  send({ type: KIND[kind], success: true, ...payload }, []);
  return true;
}

function refuse(kind, payload = {}) {
  send({ type: KIND[kind], success: false, ...payload }, []);
  return false;
}

async function fault(at) {
  if (simulated.fault?.at !== at) return;
  writeSync(2, `simulated ${simulated.fault.what}\n`);
  switch (simulated.fault.what) {
    case 'silence':
      return await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    case 'garbage':
      return native.send(socket, Buffer.from('Usage: criu swrk <fd>'));
    case 'empty':
      return native.send(socket, Buffer.alloc(0));
    case 'wrong-type':
      return send({ type: 99, success: true }, []);
    case 'long':
      return send({ type: KIND.EMPTY, success: false, cr_errmsg: 'x'.repeat(150_000) }, []);
    case 'fd': {
      const fd = native.Fd.adopt(openSync('/dev/null', 'r'));
      send({ type: KIND.VERSION, success: true, version: { major_number: 4, minor_number: 2 } }, [fd]);
      return fd.close();
    }
    case 'orphans':
      // Somebody else holds the socket when CRIU is gone.
      native.spawn({
        file: '/bin/sleep',
        argv: ['sleep', '10'],
        env: [],
        fds: [{ fd: socket, as: 3 }],
        newProcessGroup: false,
      });
      return process.exit(1);
    default:
      return crash(simulated.fault.what);
  }
}

function crash(how) {
  if (how === 'exit') process.exit(3);
  process.kill(process.pid, how === 'segv' ? 'SIGSEGV' : 'SIGABRT');
}

function says({ config_file }, word) {
  return Boolean(config_file) && readFileSync(config_file, 'utf8').split('\n').includes(word);
}

function exists(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function send(message, fds) {
  try {
    native.send(socket, Response.encode(message).finish(), fds);
  } catch {
    // Nobody listens any more; what matters is what becomes of the tasks.
  }
}

async function receive() {
  const message = await native.receive(socket).done;
  if (message === undefined) return undefined;
  try {
    return Request.decode(message.bytes);
  } catch {
    return process.exit(PROTOCOL_TROUBLE);
  }
}
