// The example of docs/migration.md, as it stands there: both of its functions, each in a process of its own, move a tree.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const at = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const RECEIVE = `
import { takeIn } from './example.ts';
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\\n');
await takeIn('127.0.0.1:0', new AbortController().signal, {
  listening: (address, token) => tell({ address, token }),
  arrived: (pid) => tell({ pid }),
  refused: (reason) => tell({ refused: String(reason) }),
});`;
const MOVE = `
import { move } from './example.ts';
const [pid, to, token] = process.argv.slice(2);
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\\n');
tell({ downtime: await move(Number(pid), to, token, (line) => tell({ line })) });`;

type Said = Readonly<Record<string, unknown>>;

/** With what it has said so far, and says. */
function start(command: readonly string[]): { readonly child: ChildProcess; readonly said: Said[] } {
  const [program = '', ...args] = command;
  const env = { ...process.env, FRAZIL_CRIU: CRIU_42.path };
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const said: Said[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)));
  return { child, said };
}

testWith([CRIU_42.here], 'the example of docs/migration.md moves a tree, and tells of it', async () => {
  const [, example = ''] =
    /^```ts run\n([\s\S]*?)^```/m.exec(readFileSync(at('../../docs/migration.md'), 'utf8')) ?? [];
  expect(example).toContain("from 'frazil'");
  const folder = mkdtempSync(at('../.docs-'));
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
  const before = await target.ask('digest');
  const pids = target.tree();
  writeFileSync(join(folder, 'example.ts'), example.replaceAll("from 'frazil'", "from '../../src/index.js'"));
  writeFileSync(join(folder, 'receive.ts'), RECEIVE);
  writeFileSync(join(folder, 'move.ts'), MOVE);
  const node = [process.execPath, '--import', at('../helpers/ts-hooks.mjs')];
  // Another host: there the pids are free.
  const there = start([
    'unshare',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    ...node,
    join(folder, 'receive.ts'),
  ]);
  try {
    const { address, token } = await until('it listens', () => there.said[0]);
    const here = start([...node, join(folder, 'move.ts'), String(target.pid), String(address), String(token)]);
    await once(here.child, 'close');
    expect(here.said.at(-1)).toEqual({ downtime: expect.any(Number) });
    expect(here.said[0]).toEqual({ line: expect.stringMatching(/^iteration 0: \d+ bytes/) });
    await waitGone(pids);
    await until('another one may come', () => there.said.length === 3);
    expect(there.said[1]).toEqual({ pid: target.pid });
    expect(there.said[2]).toEqual({ address, token: expect.not.stringContaining(String(token)) });
    expect(await target.ask('digest')).toEqual(before);
  } finally {
    const ended = once(there.child, 'exit');
    there.child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  }
});
