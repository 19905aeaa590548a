// Archives on file systems that can less: one (FUSE, test/helpers/plain-fs.py) without files that have no name, without holes, copies in the
// kernel and, where it says so, links; and ramfs, which has no holes. The final name is never there before the archive is whole.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { verifyArchive } from '../../src/archive/lazily.js';
import { dump } from '../../src/criu/dump.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { FRAZIL } from '../helpers/frazil-cli.js';
import { need, testWith } from '../helpers/needs.js';
import { startTarget } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

const PLAIN_FS = fileURLToPath(new URL('../helpers/plain-fs.py', import.meta.url));
const FUSE = need('FUSE', !existsSync('/dev/fuse') && 'there is no /dev/fuse');
const PYTHON = need('python3', spawnSync('python3', ['--version']).status !== 0 && 'it is not in PATH');
const PART = /^\.x\.tar(\.zst)?\.frazil-[0-9a-f]{12}$/;

interface Place {
  /** As the command sees it, and as everybody does. */
  readonly mount: string;
  readonly folder: string;
  readonly log: string;
}

function placeIn(dir: TempDir): Place {
  return { mount: dir.folder('mount'), folder: dir.folder('folder'), log: join(dir.path, 'log') };
}

/** The shell command line with the place mounted; Frazil is "$@". */
async function onPlainFs(
  { mount, folder, log }: Place,
  script: string,
  traits: readonly string[] = [],
): Promise<{ readonly status: number | null; readonly stderr: string; readonly lines: readonly string[] }> {
  const argv = [PLAIN_FS, ...traits, mount, folder, log, 'sh', '-c', script, 'sh', ...FRAZIL];
  const env = { ...process.env, FRAZIL_CRIU: CRIU_42.path, CREATE, INDEX };
  const run = spawn('python3', argv, { stdio: ['ignore', 'ignore', 'pipe'], env });
  const [stderr] = await Promise.all([text(run.stderr), once(run, 'close')]);
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
  return { status: run.exitCode, stderr, lines };
}

/** Of the last command in the background: waits until its archive has some bytes. */
function onceBegun({ folder }: Place): string {
  return `pid=$!; until [ -n "$(find ${folder} -name '.x.*' -size +4k)" ] || ! kill -0 $pid; do sleep 0.01; done`;
}

/** An images directory with some zero pages in it. */
async function dumped(dir: TempDir): Promise<string> {
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '0'], { control });
  const images = dir.folder('images');
  await dump(target.pid, { to: imagesDirectory(images), leaveRunning: true, criu: CRIU_42.path }).done;
  return images;
}

// In the namespace of the command, so that CRIU sees a task of its own.
const CHECKPOINT =
  'setsid sleep 100 </dev/null >/dev/null 2>&1 & pid=$!; "$@" checkpoint -t $pid -W "$WORK" -o "$MOUNT/x.tar$TAIL" $MORE; s=$?; kill $pid 2>/dev/null || :; exit $s';

interface Case {
  readonly title: string;
  readonly tail: string;
  readonly more: string;
  readonly traits: readonly string[];
}

const CASES: readonly Case[] = [
  { title: 'of a tree that is killed', tail: '', more: '', traits: [] },
  { title: 'of a tree that runs on, compressed', tail: '.zst', more: '--leave-running', traits: [] },
  { title: 'where there are no links', tail: '', more: '--leave-running', traits: ['--no-link'] },
  { title: 'spilling beside it, digested', tail: '.zst', more: '--digests --absorb=never', traits: ['--no-link'] },
];

for (const { title, tail, more, traits } of CASES) {
  testWith([CRIU_42.here, FUSE, PYTHON], `a checkpoint on a file system that can little, ${title}`, async () => {
    await using dir = tempDir();
    const place = placeIn(dir);
    const set = `WORK=${dir.folder('work')} MOUNT=${place.mount} TAIL=${tail} MORE="${more}"; `;
    const { status, stderr, lines } = await onPlainFs(place, set + CHECKPOINT, traits);
    expect(stderr, stderr).not.toMatch(/^frazil: Cannot/m);
    expect(status).toBe(0);
    const path = join(place.folder, `x.tar${tail}`);
    expect(readdirSync(place.folder)).toEqual([`x.tar${tail}`]);
    const bytes = readFileSync(path).length;
    // It got its name in one step, when it had all of its bytes.
    expect(lines.filter((line) => line.split(' ').includes(`x.tar${tail}`))).toEqual([
      expect.stringMatching(new RegExp(`^rename \\S+ x\\.tar(\\.zst)? ${bytes}$`)),
    ]);
    const created = lines.filter((line) => line.startsWith('create ')).map((line) => line.split(' ')[1]);
    expect(created.some((name) => PART.test(name ?? ''))).toBe(true);
    expect((await verifyArchive(archive(path)).done).profile).toBe('neutral');
  });
}

// A library call: the command line replaces what is there. Slow enough to be met in the midst.
const CREATE = `
  const [path, imagesDir] = process.argv.slice(1);
  const { createArchive } = await import(process.env.INDEX);
  const made = createArchive(imagesDir, { to: path, compress: 'zstd', level: 19, threads: 1 });
  await made.done.catch(({ code }) => { console.error('refused: ' + code); process.exit(1); });`;
const INDEX = fileURLToPath(new URL('../../src/index.ts', import.meta.url));

testWith(
  [CRIU_42.here, FUSE, PYTHON],
  'an archive of a directory: in one step, and never over what comes meanwhile',
  async () => {
    await using dir = tempDir();
    const place = placeIn(dir);
    const images = await dumped(dir);
    const create = `"$1" "$2" "$3" --input-type=module -e "$CREATE" ${place.mount}/x.tar ${images}`;
    const path = join(place.folder, 'x.tar');
    for (const traits of [[], ['--no-link']]) {
      const made = await onPlainFs(place, create, traits);
      expect([made.status, made.stderr]).toEqual([0, '']);
      expect(made.lines.filter((line) => line.includes(' x.tar'))).toEqual([expect.stringMatching(/^rename /)]);
      await verifyArchive(archive(path)).done;
      rmSync(path);

      const meanwhile = `${create} & ${onceBegun(place)}; echo other >${place.mount}/x.tar; wait $pid`;
      const late = await onPlainFs(place, meanwhile, traits);
      expect([late.status, late.stderr]).toEqual([1, 'refused: IMAGES_EXIST\n']);
      expect(readdirSync(place.folder)).toEqual(['x.tar']);
      expect(readFileSync(path, 'utf8')).toBe('other\n');
      rmSync(path);
    }
  },
);

testWith([CRIU_42.here, FUSE, PYTHON], 'a full disk that can little has nothing left of it', async () => {
  await using dir = tempDir();
  const place = placeIn(dir);
  const images = await dumped(dir);
  writeFileSync(join(place.folder, 'x.tar'), 'old');
  const create = `"$@" archive create -D ${images} -o ${place.mount}/x.tar`;
  const { status, stderr } = await onPlainFs(place, create, ['--room', '2000000']);
  expect([status, stderr]).toEqual([1, expect.stringContaining('ENOSPC')]);
  expect(readdirSync(place.folder)).toEqual(['x.tar']);
  expect(readFileSync(join(place.folder, 'x.tar'), 'utf8')).toBe('old');
});

testWith([CRIU_42.here, FUSE, PYTHON], 'killed in the midst: what is left has not the name of an archive', async () => {
  await using dir = tempDir();
  const place = placeIn(dir);
  const images = await dumped(dir);
  const create = `"$@" archive create -D ${images} -o ${place.mount}/x.tar.zst --level 19 --threads 1`;
  const script = `${create} & ${onceBegun(place)}; kill -KILL $pid; wait $pid`;
  const { status } = await onPlainFs(place, script);
  expect(status).toBe(137);
  expect(readdirSync(place.folder)).toEqual([expect.stringMatching(PART)]);
});

testWith([CRIU_42.here], 'a file system without holes has the zeros', async () => {
  await using dir = tempDir();
  const images = await dumped(dir);
  const mount = dir.folder('ram');
  const kept = join(dir.path, 'kept.tar');
  const lines = [
    `mount -t ramfs none ${mount}`,
    `"$@" archive create --no-digests -D ${images} -o ${mount}/x.tar`,
    `cp ${mount}/x.tar ${kept}`,
    `WORK=${dir.folder('work')} MOUNT=${mount} TAIL= MORE=`,
    `(${CHECKPOINT.replace('x.tar', 'y.tar')})`,
    `cp ${mount}/y.tar ${kept}.2`,
    `[ "$(ls ${mount} | tr '\\n' ' ')" = "x.tar y.tar " ]`,
  ];
  const env = { ...process.env, FRAZIL_CRIU: CRIU_42.path };
  const argv = ['-m', 'sh', '-e', '-c', lines.join('\n'), 'sh', ...FRAZIL];
  const run = spawn('unshare', argv, { stdio: ['ignore', 'ignore', 'pipe'], env });
  const [stderr] = await Promise.all([text(run.stderr), once(run, 'close')]);
  expect([run.exitCode, stderr.match(/^frazil: Cannot.*/m)]).toEqual([0, null]);
  for (const path of [kept, `${kept}.2`]) expect((await verifyArchive(archive(path)).done).profile).toBe('neutral');
});
