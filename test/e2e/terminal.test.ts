// Tasks on a terminal: a job of a shell, which comes back in another shell's terminal; and a session leader whose terminal was held by
// somebody outside of the tree, which comes back with the terminal's master in our hands.

import { join } from 'node:path';
import { ReadStream, WriteStream } from 'node:tty';
import { expect } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { taskOf } from '../helpers/procfs.js';
import { openShell } from '../helpers/pts.js';
import { killTree, programOf, startTarget, targetOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { verbCommand } from '../helpers/verb-process.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

const quoted = (words: readonly string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');

testWith([CRIU_42.here], 'a shell job comes back on the terminal of the shell that restores it', async () => {
  await using dir = tempDir();
  await using shell = await openShell();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  await shell.shows('ready> ');
  shell.type(quoted([await programOf('job'), control]));
  await using job = await targetOf(control);
  shell.type('one');
  await shell.shows('job has line 1: one');
  expect(await job.verify()).toEqual({ checks: 5, failed: [] });

  await dumpTo(images, job, { shellJob: true });
  await shell.shows('ready> ');
  shell.type(quoted(verbCommand({ verb: 'restore', images, options: { shellJob: true } })));
  await shell.shows('"event":"done"');
  expect((await targetOf(control)).pid).toBe(job.pid);
  shell.type('two');
  await shell.shows('job has line 2: two');
  expect(await job.verify()).toEqual({ checks: 5, failed: [] });
});

testWith([CRIU_42.here], 'a shell job is refused without shellJob, and the message says so', async () => {
  await using dir = tempDir();
  await using shell = await openShell();
  const control = join(dir.path, 'control');
  shell.type(quoted([await programOf('job'), control]));
  await using job = await targetOf(control);
  await expect(dumpTo(dir.folder('images'), job, {})).rejects.toThrow(/shellJob/);
  shell.type('still there');
  await shell.shows('job has line 1: still there');
});

testWith([CRIU_42.here], 'orphanPtsMaster gives us the terminal whose master was outside of the tree', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  const images = dir.folder('images');
  // What answers is the session leader; the terminal's master is with the program that was started, its parent.
  await using job = await startTarget('terminal', [await programOf('job'), control], { control });
  expect(taskOf(job.pid)).toMatchObject({ session: job.pid, name: 'job' });
  await dumpTo(images, job, { shellJob: true });
  const tree = await restoreFrom(images, { orphanPtsMaster: true });
  const master = tree.terminal?.take();
  if (master === undefined) throw new Error('No terminal came back');
  const input = new WriteStream(master);
  const output = new ReadStream(master);
  let shown = '';
  output.on('data', (bytes) => {
    shown += bytes.toString();
  });
  input.write('hello\n');
  await until('the job answers on its terminal', () => shown.includes('job has line 1: hello'));
  output.destroy();
  input.destroy();
  await killTree(job, tree);
});
