// Builds the addon: at `npm install` of the package, and by `npm run build:native`. Nothing is downloaded: Node-API needs
// only headers, which are npm packages. Two builders read one list of sources (native/sources.json):
//   cmake-js   where cmake is on PATH; it also builds the C++ tests and the sanitizer variants
//   node-gyp   npm's own, for machines without cmake
// FRAZIL_BUILD=cmake-js|node-gyp chooses; FRAZIL_SKIP_BUILD=1 leaves it out.

import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const BUILT = join(ROOT, 'build', 'Release', 'frazil.node');
const LAUNCHER = join(ROOT, 'build', 'Release', 'frazil-runc');
const BUILDERS = { 'cmake-js': withCmakeJs, 'node-gyp': withNodeGyp };

main();

function main() {
  if (process.env.FRAZIL_SKIP_BUILD === '1') return;
  const wanted = process.env.FRAZIL_BUILD ?? (onPath('cmake') ? 'cmake-js' : 'node-gyp');
  const build = BUILDERS[wanted];
  if (build === undefined) fail(`FRAZIL_BUILD is "${wanted}": it must be cmake-js or node-gyp`);
  if (process.env.FRAZIL_BUILD === undefined && isFresh()) return;
  if (!onPath('c++') && !onPath('g++') && !onPath('clang++'))
    fail('no C++ compiler. On Debian: apt-get install g++ make');
  build();
  if (!existsSync(BUILT)) fail(`${wanted} ended well but made no ${BUILT}`);
  // A builder that finds nothing to do leaves the old time, and then we would ask it every time.
  utimesSync(BUILT, new Date(), new Date());
  placeLauncher();
}

// Engines clear the environment, so the launcher cannot look for node. And npm makes its link to a program before there is a built one:
// in the package lies a script (scripts/finish-build.mjs), which the program replaces here. A checkout keeps the script, for packing.
function placeLauncher() {
  writeFileSync(`${LAUNCHER}.node`, process.execPath);
  const command = join(ROOT, 'dist', 'frazil-runc');
  if (!existsSync(command) || existsSync(join(ROOT, 'native', 'test'))) return;
  rmSync(command);
  symlinkSync(join('..', 'build', 'Release', 'frazil-runc'), command);
}

function withCmakeJs() {
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  // Warnings are errors in a checkout only: a user's compiler may be newer than our knowledge of its warnings.
  const werror = existsSync(join(ROOT, 'native', 'test')) ? 'ON' : 'OFF';
  const definitions = [`--CDFRAZIL_NODE=${process.execPath}`, `--CDFRAZIL_WERROR=${werror}`];
  run(process.execPath, [
    cmakeJs,
    'compile',
    '-d',
    join(ROOT, 'native'),
    '-O',
    join(ROOT, 'build', 'cmake'),
    '-p',
    '2',
    ...definitions,
  ]);
}

function withNodeGyp() {
  // configure and build, not rebuild: that would first delete build/ with everything else in it.
  run(process.execPath, [nodeGyp(), 'configure', 'build', '-j', '2', `--nodedir=${nodeDir()}`, '--directory', ROOT]);
}

// npm passes its own node-gyp to scripts; outside of npm it is found beside npm's program.
function nodeGyp() {
  if (process.env.npm_config_node_gyp !== undefined) return process.env.npm_config_node_gyp;
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    try {
      return createRequire(join(dir, 'npm')).resolve('npm/node_modules/node-gyp/bin/node-gyp.js');
    } catch {
      const beside = join(dir, '..', 'lib', 'node_modules', 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
      if (existsSync(beside)) return beside;
    }
  }
  return fail('neither cmake nor node-gyp is there. On Debian: apt-get install cmake, or run it by npm');
}

// The installation that runs us; node-gyp would otherwise download one. It needs include/node/common.gypi there.
function nodeDir() {
  return process.env.npm_config_nodedir ?? dirname(dirname(process.execPath));
}

function isFresh() {
  if (!existsSync(BUILT)) return false;
  const built = statSync(BUILT).mtimeMs;
  const names = readdirSync(join(ROOT, 'native'), { recursive: true }).filter((name) => !name.startsWith('test'));
  const sources = names.map((name) => join(ROOT, 'native', name));
  return [...sources, join(ROOT, 'binding.gyp')].every((file) => statSync(file).mtimeMs <= built);
}

function onPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' });
  if (error !== undefined) fail(error.message);
  if (status !== 0) fail(`"${[program, ...args].join(' ')}" ended with ${status}`);
}

function fail(why) {
  console.error(`Cannot build Frazil's addon: ${why}`);
  process.exit(1);
}
