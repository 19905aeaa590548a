// A fault at every message of a migration: afterwards exactly one copy of the tree lives, here or there.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { migrate } from '../../src/migrate/migrate.js';
import { ask, NoAnswer } from '../helpers/ask.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { type Direction, type MessageProxy, startProxy } from '../helpers/message-proxy.js';
import { testWith } from '../helpers/needs.js';
import { type SecondHost, startHost } from '../helpers/second-host.js';
import { startTarget, type Target } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

interface Stage extends AsyncDisposable {
  readonly target: Target;
  readonly host: SecondHost;
  readonly proxy: MessageProxy;
  /** Where the copy answers. */
  readonly there: string;
}

type OnMessage = (direction: Direction, type: string, host: SecondHost) => 'pass' | 'cut' | Promise<'pass' | 'cut'>;

async function stage(onMessage: OnMessage): Promise<Stage> {
  const dir = tempDir();
  const elsewhere = tempDir();
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, '8', '2', '10'], { control });
  // What the copy makes of its control socket must not take the place of the one here.
  const folder = elsewhere.folder('there');
  const at = join(elsewhere.path, 'host');
  const host = await startHost({ at, binds: [[dir.path, folder]] });
  const proxy = await startProxy(join(elsewhere.path, 'proxy'), at, (direction, type) =>
    onMessage(direction, type, host),
  );
  return {
    target,
    host,
    proxy,
    there: join(folder, 'control'),
    async [Symbol.asyncDispose]() {
      for (const each of [proxy, host, target, elsewhere, dir]) await each[Symbol.asyncDispose]();
    },
  };
}

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

describe('a connection that breaks', () => {
  for (const message of MESSAGES) {
    testWith([CRIU_42.here], `instead of "${message}" leaves one copy`, async () => {
      let cut = false;
      await using on = await stage((direction, type) => {
        if (cut || `${direction} ${type}` !== message) return 'pass';
        cut = true;
        return 'cut';
      });
      const { target } = on;
      const before = await target.ask('digest');
      const run = migrate(target.pid, { to: on.proxy.address, criu: CRIU_42.path });
      const outcome = await run.done.then(
        () => 'moved',
        () => 'stayed',
      );
      // The last one is not waited for by the source.
      await until('the message was seen', () => cut);
      expect(outcome).toBe(MOVED.includes(message) ? 'moved' : 'stayed');
      await expectOne(on, outcome, before);
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
      source = startSource(on.target.pid, { to: on.proxy.address, criu: CRIU_42.path });
      await once(source, 'exit');
      await expectOne(on, lives, before);
    });
  }
});

/** The tree answers at one place, with what it had, and is not at the other. */
async function expectOne({ target, host, there }: Stage, lives: string, digest: unknown): Promise<void> {
  if (lives === 'moved') {
    await until('the tree is gone here', () => !target.alive());
    expect(await ask(there, 'digest')).toEqual(digest);
    return;
  }
  await until('the tree runs here', () => stateOf(target.pid) !== 'T' && stateOf(target.pid) !== 't');
  expect(await target.ask('digest')).toEqual(digest);
  // The shell, its receiver perhaps, and ps itself.
  await until('nothing of it is there', async () => !(await host.tasks()).includes(target.pid));
  await expect(ask(there, 'digest')).rejects.toThrow(NoAnswer);
}

function stateOf(pid: number): string | undefined {
  return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
}

function startSource(pid: number, options: object): ChildProcess {
  const here = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));
  const given = JSON.stringify({ pid, options });
  return spawn(process.execPath, ['--import', here('ts-hooks.mjs'), here('migrate-program.ts'), given], {
    stdio: ['ignore', 'inherit', 'ignore'],
  });
}
