// What a user gets: packs the package, installs the tarball in an empty directory, builds the addon there with either builder
// and without a network, imports the package and makes a call. The dependencies come from the registry (or npm's cache)
// first, without scripts; then the network is taken away and HOME is empty, so that no header, no cached header and no
// setting of this machine can help.
//
//   npm run check:package [-- --summary]

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TEMPORARY = mkdtempSync(join(tmpdir(), 'frazil-package-'));
const NO_PROXY_THERE = 'http://127.0.0.1:9'; // the discard port: connecting fails at once
const PROBE = `
  import { existsSync } from 'node:fs';
  import * as frazil from 'frazil';
  import { receive, send, seqpacketPair } from './node_modules/frazil/dist/addon/sockets.js';
  const [here, there] = seqpacketPair();
  send(here, new Uint8Array([1, 2, 3]));
  const { bytes } = await receive(there).done;
  if (bytes.length !== 3) throw new Error('the message is ' + bytes.length + ' bytes long');
  if (!existsSync('node_modules/frazil/build/Release/frazil-answers.so')) throw new Error('frazil-answers.so was not built');
  console.log('frazil exports', Object.keys(frazil).length, 'names; a message made its way');
`;

const results = [];
process.on('exit', () => rmSync(TEMPORARY, { recursive: true, force: true }));
const tarball = pack();
for (const builder of ['cmake-js', 'node-gyp']) results.push(tryBuilder(tarball, builder));
const passed = results.filter(Boolean).length;
if (process.argv.includes('--summary')) console.log(`${passed} passed, ${results.length - passed} failed`);
process.exitCode = passed === results.length ? 0 : 1;

function pack() {
  must('npm', ['run', '--silent', 'build:ts'], ROOT);
  const [packed] = JSON.parse(
    must('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', TEMPORARY], ROOT),
  );
  console.log(`packed ${packed.filename}: ${packed.entryCount} files, ${Math.round(packed.size / 1024)} KiB`);
  return join(TEMPORARY, packed.filename);
}

function tryBuilder(file, builder) {
  const dir = join(TEMPORARY, builder);
  const home = join(TEMPORARY, `${builder}-home`);
  mkdirSync(dir);
  mkdirSync(home);
  writeFileSync(join(dir, 'package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(dir, 'probe.mjs'), PROBE);
  must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', file], dir);
  const steps = [
    ['npm', ['rebuild', 'frazil', '--foreground-scripts']],
    [process.execPath, ['probe.mjs']],
    ['node_modules/.bin/frazil-runc', ['--version']],
  ];
  const failed = steps.map(([program, args]) => offline(program, args, { dir, home, builder })).find((one) => !one.ok);
  console.log(
    failed === undefined ? `passed: installed with ${builder}` : `FAILED: installed with ${builder}\n${failed.output}`,
  );
  return failed === undefined;
}

function offline(program, args, { dir, home, builder }) {
  const env = { PATH: process.env.PATH, HOME: home, FRAZIL_BUILD: builder, FRAZIL_RUNC: '/bin/true' };
  for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY']) env[name] = NO_PROXY_THERE;
  // A namespace without a network where we may make one; the dead proxy otherwise.
  const isolated = spawnSync('unshare', ['--net', 'true']).status === 0;
  const [file, rest] = isolated ? ['unshare', ['--net', program, ...args]] : [program, args];
  const { status, stdout, stderr } = spawnSync(file, rest, { cwd: dir, env, encoding: 'utf8' });
  const output = `${stdout}${stderr}`;
  if (status === 0 && program === process.execPath) process.stdout.write(stdout);
  return { ok: status === 0, output };
}

function must(program, args, cwd) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status === 0) return stdout;
  console.error(`${stdout}${stderr}\nCannot check the package: "${program} ${args.join(' ')}" ended with ${status}`);
  process.exit(1);
}
