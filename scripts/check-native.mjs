// The native side under sanitizers: the C++ tests under ASan+UBSan and under TSan, then the addon itself under Node with
// ASan preloaded, running test/integration/addon. TSan stops at the C++ tests: Node is not instrumented, so every
// synchronisation inside it would look like a race.
//
//   npm run check:native [-- --summary]     --summary: the last line is "N passed, N failed" over everything

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const VARIANTS = [
  { name: 'asan', sanitize: 'address,undefined', env: {} },

  { name: 'tsan', sanitize: 'thread', env: { TSAN_OPTIONS: 'halt_on_error=1' } },
];
const total = { passed: 0, failed: 0, skipped: 0 };

for (const variant of VARIANTS) testInCpp(variant, build(variant));
testUnderNode(build(VARIANTS[0]));

if (total.skipped > 0) console.log(`${total.skipped} skipped: each said why`);
if (process.argv.includes('--summary')) console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

// Returns the directory of the build.
function build({ name, sanitize }) {
  const dir = join(ROOT, 'build', `native-${name}`);
  // Debug: assertions on, and an Fd that was forgotten says where it was made.
  const settings = {
    CMAKE_BUILD_TYPE: 'Debug',
    FRAZIL_TESTS: 'ON',
    FRAZIL_WERROR: 'ON',
    FRAZIL_SANITIZE: sanitize,
    FRAZIL_NODE: process.execPath,
    FRAZIL_OUTPUT: dir,
  };
  const definitions = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`);
  must('cmake', ['-S', join(ROOT, 'native'), '-B', dir, ...definitions]);
  must('cmake', ['--build', dir, '-j', '2']);
  return dir;
}

function testInCpp({ name, env }, dir) {
  console.log(`\n== C++ tests, ${name}`);
  const { stdout, status, signal } = spawnSync(join(dir, 'frazil_tests'), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  process.stdout.write(stdout);
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  // A sanitizer's report ends the run before its closing line.
  if (passed === undefined) return count({ failed: 1 }, `C++ tests, ${name}: ended with ${signal ?? status}`);
  count({ passed: Number(passed), failed: Number(failed), skipped: stdout.match(/^skipped: /gm)?.length ?? 0 });
  if (status !== 0 && failed === '0') count({ failed: 1 }, `C++ tests, ${name}: a report after the last test`);
}

function testUnderNode(dir) {
  console.log('\n== The addon under Node, asan');
  const temporary = mkdtempSync(join(tmpdir(), 'frazil-check-'));
  const report = join(temporary, 'vitest.json');
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const env = {
    ...process.env,
    FRAZIL_ADDON: join(dir, 'frazil.node'),
    LD_PRELOAD: ['libasan.so', 'libubsan.so'].map(library).join(' '),
    // Node keeps what it has until the process ends, which LeakSanitizer takes for leaks; fds and threads are counted by
    // the tests themselves. Reports go to a file, because they must fail the run also in a worker of vitest.
    ASAN_OPTIONS: `detect_leaks=0:log_path=${join(temporary, 'report')}`,
    UBSAN_OPTIONS: `print_stacktrace=1:log_path=${join(temporary, 'report')}`,
  };
  const { status } = spawnSync(
    process.execPath,
    [
      vitest,
      'run',
      '--project',
      'integration',
      '--no-file-parallelism',
      ...reporters,
      join(ROOT, 'test/integration/addon'),
    ],
    { cwd: ROOT, env, stdio: 'inherit' },
  );
  readReport(report, status);
  printReports(temporary);
  rmSync(temporary, { recursive: true });
}

function readReport(file, status) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return count({ failed: 1 }, `vitest ended with ${status} and without a report`);
  }
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = report;
  count({ passed, failed, skipped });
  if (status !== 0 && failed === 0) count({ failed: 1 }, 'vitest failed outside of a test');
}

// One file per process that a sanitizer stopped.
function printReports(dir) {
  for (const name of readdirSync(dir).filter((one) => one.startsWith('report.'))) {
    count({ failed: 1 }, readFileSync(join(dir, name), 'utf8'));
  }
}

function count({ passed = 0, failed = 0, skipped = 0 }, why) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  if (why !== undefined) console.log(`FAILED: ${why}`);
}

// Where this compiler keeps a runtime library.
function library(name) {
  return spawnSync('c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim();
}

function must(program, args) {
  const { status, stdout, error } = spawnSync(program, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status === 0) return;
  console.error(stdout);
  console.error(`Cannot check the native side: "${program}" ${error?.message ?? `ended with ${status}`}`);
  process.exit(1);
}
