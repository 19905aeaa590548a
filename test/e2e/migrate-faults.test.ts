// A fault at every message of a migration: afterwards exactly one copy of the tree lives, here or there.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import { receive } from '../../src/migrate/receive.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { cutAt, expectOne, outcomeOf, stage, startSource, stateOf } from '../helpers/migration-stage.js';
import { testWith } from '../helpers/needs.js';
import { startHost } from '../helpers/second-host.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const MESSAGES = [
  'to-destination hello',
  'to-source welcome',
  'to-source streams',
  'to-destination level',
  'to-source level-done',
  'to-destination file',
  'to-destination restore',
  'to-source prepared',
  'to-destination go',
  'to-source running',
  'to-destination done',
] as const;
/** From here on the tree lives there. */
const MOVED: readonly string[] = ['to-source running', 'to-destination done'];

const UNASKED: readonly string[] = MESSAGES.slice(
  MESSAGES.indexOf('to-source welcome'),
  MESSAGES.indexOf('to-source prepared'),
);

describe('a connection that breaks', () => {
  for (const message of MESSAGES) {
    testWith([CRIU_42.here], `instead of "${message}" leaves one copy`, async () => {
      const cut = cutAt(message);
      await using on = await stage(cut.onMessage);
      const { target } = on;
      const before = await target.ask('digest');
      const outcome = await outcomeOf(
        migrate(target.pid, { to: on.proxy.address, criu: CRIU_42.path, maxDowntimeMs: 2000 }),
      );
      // The last one is not waited for by the source.
      await until('the message was seen', () => cut.done);
      expect(outcome).toBe(MOVED.includes(message) ? 'moved' : 'stayed');
      await expectOne(on, outcome, before);
      // A receiver that nobody will ask ends as it should.
      if (UNASKED.includes(message)) await on.host.event('ended');
    });
  }
});

describe('a source that is killed', () => {
  const cases = [
    { at: 'to-destination restore', lives: 'stayed' },
    { at: 'to-destination go', lives: 'stayed' },
    { at: 'to-source running', lives: 'moved' },
  ] as const;
  for (const { at, lives } of cases) {
    testWith([CRIU_42.here], `at "${at}" leaves one copy`, async () => {
      let source: ChildProcess | undefined;
      await using on = await stage(async (direction, type) => {
        if (source === undefined || source.killed || `${direction} ${type}` !== at) return 'pass';
        const ended = once(source, 'exit');
        source.kill('SIGKILL');
        await ended;
        return 'cut';
      });
      const before = await on.target.ask('digest');
      source = startSource(on.target.pid, { to: on.proxy.address, criu: CRIU_42.path, maxDowntimeMs: 2000 });
      await once(source, 'exit');
      await expectOne(on, lives, before);
    });
  }
});

// What is killed is the receiver alone: CRIU, the copy and the guardian are processes of their own.
describe('a receiver that is killed', () => {
  for (const message of MESSAGES) {
    const lives = MOVED.includes(message) ? 'moved' : 'stayed';
    for (const fate of ['pass', 'cut'] as const) {
      testWith([CRIU_42.here], `at "${message}", which is ${fate}, leaves one copy, decided`, async () => {
        let killed = false;
        await using on = await stage(async (direction, type, host) => {
          if (killed || `${direction} ${type}` !== message) return 'pass';
          killed = true;
          await host.killReceiver();
          return fate;
        });
        const before = await on.target.ask('digest');
        const run = migrate(on.target.pid, { to: on.proxy.address, criu: CRIU_42.path, maxDowntimeMs: 2000 });
        expect(await outcomeOf(run)).toBe(lives);
        await until('the message was seen', () => killed);
        await expectOne(on, lives, before);
        // Before the first migration there is no guardian: the next receiver does it.
        if (message === 'to-destination hello') await sweep(on.images);
        await until('nothing is left of its images', () => readdirSync(on.images).length === 0, 10_000);
      });
    }
  }

  // Inside of what no message shows: CRIU runs the script right after our own answer to the same notification.
  const points = [
    { at: 'pre-restore', lives: 'stayed' },
    { at: 'post-restore', lives: 'moved' },
    { at: 'pre-resume', lives: 'moved' },
    { at: 'post-resume', lives: 'moved' },
  ] as const;
  for (const { at, lives } of points) {
    testWith([CRIU_42.here], `by the hand of its CRIU at ${at} leaves one copy, decided`, async () => {
      await using dir = tempDir();
      const config = killerAt(at, dir.path);
      await using on = await stage(() => 'pass', { restore: { config } });
      const before = await on.target.ask('digest');
      expect(
        await outcomeOf(migrate(on.target.pid, { to: on.proxy.address, criu: CRIU_42.path, maxDowntimeMs: 2000 })),
      ).toBe(lives);
      await expectOne(on, lives, before);
      await until('nothing is left of its images', () => readdirSync(on.images).length === 0, 10_000);
    });
  }

  testWith([CRIU_42.here], 'over TCP answers with the certificate and to the token that it had', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '8', '2', '10'], { control });
    const before = await target.ask('digest');
    await using host = await startHost({ restore: { config: killerAt('post-restore', dir.path) } });
    const { address: to, token = '' } = host;
    const report = await migrate(target.pid, { to, token, criu: CRIU_42.path, maxDowntimeMs: 2000 }).done;
    expect(report.pid).toBe(target.pid);
    expect(await target.ask('digest')).toEqual(before);
  });
});

testWith([CRIU_42.here], 'a guardian that gets no answer gives up in the end, and says what it leaves', async () => {
  let source: ChildProcess | undefined;
  await using on = await stage(async (direction, type, host) => {
    if (source === undefined || source.killed || `${direction} ${type}` !== 'to-destination go') return 'pass';
    const ended = once(source, 'exit');
    source.kill('SIGKILL');
    await ended;
    // With its guardian and the copy.
    await host[Symbol.asyncDispose]();
    return 'cut';
  });
  source = startSource(on.target.pid, {
    to: on.proxy.address,
    criu: CRIU_42.path,
    maxDowntimeMs: 2000,
    guardianPatienceMs: 1000,
  });
  await once(source, 'exit');
  const log = join(tmpdir(), `frazil-undecided-${on.target.pid}.log`);
  const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  try {
    await until('the guardian has given up', () => said().includes('kill -CONT'));
    expect(said()).toContain(`processes ${on.target.pid}`);
    expect(stateOf(on.target.pid)).toBe('T');
  } finally {
    rmSync(log, { force: true });
  }
  // As the log says, where nothing runs there.
  process.kill(on.target.pid, 'SIGCONT');
  expect(await on.target.ask('threads')).toEqual({ threads: 2, alive: 2 });
});

/** What the next receiver does with the folder of one that was killed some time ago. */
async function sweep(folder: string): Promise<void> {
  const left = readdirSync(folder);
  expect(left).toHaveLength(1);
  for (const name of left) utimesSync(join(folder, name), 0, 0);
  const next = await receive({ listen: `unix:${join(folder, '..', 'next')}`, directory: folder });
  await next[Symbol.asyncDispose]();
}

/** A configuration file of CRIU that has it kill its parent at a point. */
function killerAt(point: string, folder: string): string {
  const script = join(folder, 'kill-receiver');
  // The shell's parent is CRIU.
  const lines = [
    '#!/bin/sh',
    `[ "$CRTOOLS_SCRIPT_ACTION" = ${point} ] || exit 0`,
    'kill -KILL $(ps -o ppid= -p $PPID)',
  ];
  writeFileSync(script, `${lines.join('\n')}\n`, { mode: 0o755 });
  const config = join(folder, 'criu.conf');
  writeFileSync(config, `action-script ${script}\n`);
  return config;
}
