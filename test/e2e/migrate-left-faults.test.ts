// A fault at every message of a migration that leaves pages behind, and while they follow: afterwards one copy of the tree lives, or what was left
// of it can be restored (docs/adr/0014).

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect } from 'vitest';
import { restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { migrate } from '../../src/migrate/migrate.js';
import type { MigrateOptions } from '../../src/migrate/source/options.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { cutAt, expectOne, outcomeOf, type Stage, stage, startSource } from '../helpers/migration-stage.js';
import { testWith } from '../helpers/needs.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const POST_COPY = { criu: CRIU_42.path, mode: 'post-copy' } as const satisfies Partial<MigrateOptions>;
/** Enough for what CRIU itself touches, and little of what is left. */
const FEW_BYTES = 512 * 2 ** 10;

const MESSAGES = [
  'to-destination level',
  'to-source ready',
  'to-destination file',
  'to-destination restore',
  'to-source prepared',
  'to-destination go',
  'to-source running',
  'to-destination done',
] as const;
/** The connection on which pages are asked for is another one: they go on coming. */
const MOVED: readonly string[] = ['to-source running', 'to-destination done'];

describe('with pages left behind a connection that breaks', () => {
  for (const message of MESSAGES) {
    testWith([CRIU_42.here], `instead of "${message}" leaves one copy`, async () => {
      const cut = cutAt(message);
      await using on = await stage(cut.onMessage);
      const before = await on.target.ask('digest');
      const outcome = await outcomeOf(migrate(on.target.pid, { to: on.proxy.address, ...POST_COPY }));
      await until('the message was seen', () => cut.done);
      expect(outcome).toBe(MOVED.includes(message) ? 'moved' : 'stayed');
      await expectOne(on, outcome, before);
    });
  }
});

testWith(
  [CRIU_42.here],
  'with pages left behind a server of them that cannot start is named, and the tree runs on',
  async () => {
    await using on = await stage((direction, type) => {
      // Where its log would be: it fails before CRIU is asked to restore.
      if (`${direction} ${type}` === 'to-destination level') mkdirSync(join(workDirIn(on.images), 'lazy-pages.log'));
      return 'pass';
    });
    const before = await on.target.ask('digest');
    const run = migrate(on.target.pid, { to: on.proxy.address, ...POST_COPY });
    const message = /lazy-pages\.log": EISDIR.* The tree runs on here$/;
    await expect(run.done).rejects.toMatchObject({ code: 'IO', message: expect.stringMatching(message) });
    expect(on.proxy.seen).not.toContain('to-source ready');
    await expectOne(on, 'stayed', before);
    await on.host.event('ended');
    expect(readdirSync(on.images)).toEqual([]);
  },
);

/** Of the one migration that is received there. */
function workDirIn(images: string): string {
  const work = readdirSync(images, { recursive: true, encoding: 'utf8' }).find((path) => basename(path) === 'work');
  return join(images, work ?? 'no work directory');
}

describe('with pages left behind a source that is killed', () => {
  // At "running" the copy runs, and is ended because nobody gives it its pages; nothing was killed here.
  for (const at of ['to-destination restore', 'to-destination go', 'to-source running'] as const) {
    testWith([CRIU_42.here], `at "${at}" leaves the tree here`, async () => {
      let source: ChildProcess | undefined;
      const onMessage = async (direction: string, type: string): Promise<'pass' | 'cut'> => {
        if (source === undefined || source.killed || `${direction} ${type}` !== at) return 'pass';
        const ended = once(source, 'exit');
        source.kill('SIGKILL');
        await ended;
        return 'cut';
      };
      await using on = await stage(onMessage, { leftBytes: FEW_BYTES });
      const before = await on.target.ask('digest');
      source = startSource(on.target.pid, { to: on.proxy.address, ...POST_COPY });
      await once(source, 'exit');
      await expectOne(on, 'stayed', before);
    });
  }

  testWith([CRIU_42.here], 'after the commit leaves a checkpoint of the tree, and nothing there', async () => {
    await using dir = tempDir();
    const rescueTo = dir.folder('rescue');
    await using on = await stage(() => 'pass', { leftBytes: FEW_BYTES });
    const before = await on.target.ask('digest');
    const source = startSource(on.target.pid, { to: on.proxy.address, ...POST_COPY, rescueTo });
    await until('the tree is killed here', () => !on.target.alive());
    const ended = once(source, 'exit');
    source.kill('SIGKILL');
    await ended;
    const log = join(tmpdir(), `frazil-undecided-${on.target.pid}.log`);
    const said = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
    try {
      await until('the guardian has kept it', () => said().includes(`frazil restore -D ${rescueTo}`));
    } finally {
      rmSync(log, { force: true });
    }
    await expectKept(on, rescueTo, before);
  });
});

/** The copy is ended by what `lose` does when the tree has been killed here. */
async function expectLost(on: Stage, rescueTo: string, lose: () => void | Promise<void>): Promise<void> {
  const before = await on.target.ask('digest');
  const run = migrate(on.target.pid, { to: on.proxy.address, ...POST_COPY, rescueTo });
  const failed = run.done.catch((error: unknown) => error);
  await until('the tree is killed here', () => !on.target.alive());
  await lose();
  expect(await failed).toMatchObject({ code: 'LEFT_LOST', detail: { rescuedTo: rescueTo } });
  await expectKept(on, rescueTo, before);
}

describe('with pages left behind, while they follow,', () => {
  testWith([CRIU_42.here], 'a connection that breaks ends the copy, and keeps a checkpoint', async () => {
    await using dir = tempDir();
    const rescueTo = join(dir.path, 'rescue');
    await using on = await stage(() => 'pass', { leftBytes: FEW_BYTES });
    await expectLost(on, rescueTo, () => on.proxy.breakLeft());
  });

  testWith([CRIU_42.here], 'a receiver that is killed ends the copy, and keeps a checkpoint', async () => {
    await using dir = tempDir();
    const rescueTo = join(dir.path, 'rescue');
    await using on = await stage(() => 'pass', { leftBytes: FEW_BYTES });
    await expectLost(on, rescueTo, () => on.host.killReceiver());
    await until('nothing is left of its images', () => readdirSync(on.images).length === 0, 10_000);
  });
});

testWith([CRIU_42.here], 'a receiver that is killed when all pages have come leaves the copy', async () => {
  let running = 0;
  await using on = await stage(async (direction, type, host) => {
    if (`${direction} ${type}` !== 'to-source running') return 'pass';
    running += 1;
    if (running === 2) await host.killReceiver();
    return running === 2 ? 'cut' : 'pass';
  });
  const before = await on.target.ask('digest');
  expect(await outcomeOf(migrate(on.target.pid, { to: on.proxy.address, ...POST_COPY }))).toBe('moved');
  // The third one is the word of its guardian.
  expect(running).toBe(3);
  await expectOne(on, 'moved', before);
});

testWith([CRIU_42.here], 'a folder that is not empty is refused before anything happens', async () => {
  await using dir = tempDir();
  dir.folder('rescue/something');
  await using on = await stage(() => 'pass');
  const run = migrate(on.target.pid, { to: on.proxy.address, ...POST_COPY, rescueTo: join(dir.path, 'rescue') });
  await expect(run.done).rejects.toMatchObject({ code: 'IO', detail: { errno: 'ENOTEMPTY' } });
  expect(on.proxy.seen).toEqual([]);
});

/** No copy is there, and the tree can be restored here as it was. */
async function expectKept({ target, host }: Stage, rescueTo: string, digest: unknown): Promise<void> {
  await until('nothing of it is there', async () => !(await host.tasks()).includes(target.pid));
  const tree = await restore(imagesDirectory(rescueTo), { criu: CRIU_42.path }).done;
  try {
    expect(await target.ask('digest')).toEqual(digest);
  } finally {
    await tree.kill();
  }
}
