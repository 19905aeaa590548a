// SIGKILL for whoever takes part in the migration of a container: its source, its receiver, the runtime here and the runtime there. Afterwards
// one copy lives, the runtime of each side says so, and the side that has none has nothing of it left. With crun: what
// tells it from runc, the restore that is taken back and the one that is not.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { ask, NoAnswer } from '../helpers/ask.js';
import {
  type Container,
  criuConfig,
  RUNTIMES,
  removeCgroups,
  startContainer,
  type TestRuntime,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { type MessageProxy, startProxy } from '../helpers/message-proxy.js';
import { testWith } from '../helpers/needs.js';
import { allTasks, commandOf } from '../helpers/procfs.js';
import { type SecondHost, startHost } from '../helpers/second-host.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

interface Stage extends AsyncDisposable {
  readonly container: Container;
  readonly host: SecondHost;
  readonly proxy: MessageProxy;
  /** The container there. */
  readonly id: string;
  readonly bundle: string;
  readonly root: string;
  readonly source: ChildProcess;
  readonly program: string;
}

/** What is killed, and how. */
const VICTIMS = {
  source: async ({ source }: Stage) => {
    const ended = once(source, 'exit');
    source.kill('SIGKILL');
    await ended;
  },
  receiver: ({ host }: Stage) => host.killReceiver(),
  'runtime here': ({ container }: Stage) => killRuntime('checkpoint', container.id),
  'runtime there': ({ id }: Stage) => killRuntime('restore', id),
} as const;

type Victim = keyof typeof VICTIMS;

interface Case {
  readonly victim: Victim;
  readonly at: string;
  readonly fate: 'pass' | 'cut';
  readonly lives: 'here' | 'there';
}

const MESSAGES = [
  'to-source streams',
  'to-destination tree',
  'to-destination file',
  'to-destination restore',
  'to-source prepared',
  'to-destination go',
  'to-source running',
] as const;

const CASES: readonly Case[] = [
  ...(['source', 'receiver'] as const).flatMap((victim) =>
    MESSAGES.map((at) => ({ victim, at, fate: 'cut', lives: at === 'to-source running' ? 'there' : 'here' }) as const),
  ),
  // The word is given.
  { victim: 'source', at: 'to-destination go', fate: 'pass', lives: 'there' },
  // When there is one: at the level of the final dump.
  { victim: 'runtime here', at: 'to-destination level', fate: 'pass', lives: 'here' },
  { victim: 'runtime here', at: 'to-destination file', fate: 'pass', lives: 'there' },
  { victim: 'runtime here', at: 'to-destination restore', fate: 'pass', lives: 'there' },
  { victim: 'runtime here', at: 'to-destination go', fate: 'pass', lives: 'there' },
  { victim: 'runtime there', at: 'to-destination restore', fate: 'pass', lives: 'here' },
  { victim: 'runtime there', at: 'to-source prepared', fate: 'pass', lives: 'here' },
  { victim: 'runtime there', at: 'to-destination go', fate: 'pass', lives: 'here' },
];

const OF_CRUN: readonly string[] = [
  'receiver to-destination restore',
  'receiver to-source prepared',
  'runtime there to-source prepared',
  'source to-destination go',
];

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];
  const isMeant = ({ victim, at, fate }: Case): boolean =>
    runtime.name === 'runc' || (OF_CRUN.includes(`${victim} ${at}`) && (victim !== 'source' || fate === 'pass'));

  for (const { victim, at, fate, lives } of CASES.filter(isMeant)) {
    testWith(needs, `${victim} killed at "${at}", which is ${fate}: it lives ${lives}`, async () => {
      await using dir = tempDir();
      let killed = false;
      const on: { stage?: Stage } = {};
      await using stage = await start(runtime, dir, async (message) => {
        if (killed || message !== at || on.stage === undefined) return 'pass';
        killed = (await VICTIMS[victim](on.stage)) !== NOT_THERE;
        return killed ? fate : 'pass';
      });
      const before = await stage.container.ask('digest');
      on.stage = stage;
      stage.source.stdin?.end();
      await until('it has been killed', () => killed);
      await expectOne(stage, lives, before);
    });
  }

  // Inside of what no message shows: CRIU runs the script right after the answer to the same notification.
  for (const victim of runtime.name === 'runc' ? (['receiver', 'runtime there'] as const) : []) {
    for (const at of ['pre-restore', 'post-restore', 'pre-resume', 'post-resume']) {
      testWith(needs, `${victim} killed by CRIU's hand at ${at}: one copy, and its runtime knows it`, async () => {
        await using dir = tempDir();
        const script = killerAt(at, victim, dir.path);
        await using stage = await start(runtime, dir, () => 'pass', `action-script ${script}\n`);
        const before = await stage.container.ask('digest');
        stage.source.stdin?.end();
        await until('it has been killed', () => existsSync(`${script}.done`));
        await expectOne(stage, at === 'pre-restore' ? 'here' : 'there', before);
      });
    }
  }
});

async function start(
  runtime: TestRuntime,
  dir: TempDir,
  onMessage: (message: string) => 'pass' | 'cut' | Promise<'pass' | 'cut'>,
  config = '',
): Promise<Stage> {
  const container = await startContainer(runtime, dir);
  const id = `${container.id}-2`;
  const [root, bundle, images] = [dir.folder('state-there'), join(dir.path, 'there'), dir.folder('images')];
  const program = runtime.program(dir);
  const paths = { [runtime.name]: program };
  const at = join(dir.path, 'host');
  process.env['CRIU_CONFIG_FILE'] = criuConfig(container.bundle, config);
  const place = { bundle, id, root, paths };
  const host = await startHost({ at, directory: images, criu: CRIU_42.path, container: place });
  delete process.env['CRIU_CONFIG_FILE'];
  const proxy = await startProxy(join(dir.path, 'proxy'), at, {
    onMessage: (direction, type) => onMessage(`${direction} ${type}`),
  });
  const source = startSource(container, { to: proxy.address, roots: [container.root], paths });
  return {
    ...{ container, host, proxy, id, bundle, root, source, program },
    async [Symbol.asyncDispose]() {
      source.kill('SIGKILL');
      for (const each of [proxy, host, container]) await each[Symbol.asyncDispose]();
      removeCgroups(id);
    },
  };
}

/** Begins when its input ends. */
function startSource({ id, bundle }: Container, options: object): ChildProcess {
  const helper = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));
  const given = JSON.stringify({ container: id, options: { criu: CRIU_42.path, maxDowntimeMs: 5000, ...options } });
  const words = ['--import', helper('ts-hooks.mjs'), helper('migrate-program.ts'), given];
  return spawn('sh', ['-c', 'read -r _; exec "$@"', '-', process.execPath, ...words], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { ...process.env, CRIU_CONFIG_FILE: criuConfig(bundle) },
  });
}

const NOT_THERE = 'not there';

async function killRuntime(verb: string, id: string): Promise<typeof NOT_THERE | undefined> {
  const pids = allTasks().flatMap(({ pid }) => {
    const words = commandOf(pid);
    return words.includes(verb) && words.at(-1) === id ? [pid] : [];
  });
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids.length === 0 ? NOT_THERE : undefined;
}

/** CRIU's parent is the runtime, the runtime's is the keeper, the keeper's is the receiver. */
function killerAt(point: string, victim: 'receiver' | 'runtime there', folder: string): string {
  const script = join(folder, 'killer');
  const parentOf = (pid: string): string => `$(ps -o ppid= -p ${pid})`;
  const runtime = parentOf('$PPID');
  const pid = victim === 'runtime there' ? runtime : parentOf(parentOf(runtime));
  const text = `#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" = ${point} ] || exit 0\nkill -KILL ${pid}\n: >${script}.done\n`;
  writeFileSync(script, text, { mode: 0o755 });
  return script;
}

async function expectOne(stage: Stage, lives: Case['lives'], before: unknown): Promise<void> {
  const { container, id, bundle, root, host, program } = stage;
  const first = String(await host.first());
  const there = join(bundle, 'rootfs/tmp/control');
  const state = async (): Promise<unknown> => {
    const child = spawn('nsenter', ['-t', first, '-p', '-m', '-n', program, '--root', root, 'state', id]);
    let said = '';
    child.stdout.on('data', (piece) => {
      said += String(piece);
    });
    await once(child, 'close');
    return said === '' ? undefined : JSON.parse(said).status;
  };
  if (lives === 'there') {
    await until('its runtime does not know it here', async () => (await container.state()) === undefined, PATIENCE_MS);
    await until('it answers there', () => ask(there, 'pid').then(Boolean, () => false), PATIENCE_MS);
    expect(await ask(there, 'digest')).toEqual(before);
    expect(await state()).toBe('running');
    expect(cgroupsOf(container.id)).toEqual([]);
  } else {
    await until('nothing of it is left there', () => leftThere(stage, first) === '', PATIENCE_MS).catch(() => {});
    expect(leftThere(stage, first)).toBe('');
    await until('it answers here', () => container.ask('pid').then(Boolean, () => false));
    expect(await container.ask('digest')).toEqual(before);
    expect((await container.state())?.status).toBe('running');
    expect(await state()).toBeUndefined();
    await expect(ask(there, 'digest')).rejects.toThrow(NoAnswer);
  }
  expect(mountsBelow('self', root), 'mounts here').toEqual([]);
  expect(mountsBelow(first, root), 'mounts there').toEqual([]);
}

const PATIENCE_MS = 30_000;

/** In words. */
function leftThere({ bundle, root, id }: Stage, first: string): string {
  const tasks = allTasks().flatMap(({ pid }) => (commandOf(pid).includes(id) ? [`runtime ${pid}`] : []));
  const made = existsSync(bundle) ? readdirSync(bundle) : [];
  return [...tasks, ...made, ...readdirSync(root), ...cgroupsOf(id), ...mountsBelow(first, root)].join(', ');
}

function cgroupsOf(id: string): string[] {
  const groups = readdirSync('/sys/fs/cgroup').map((hierarchy) => join('/sys/fs/cgroup', hierarchy, id));
  return groups.filter(existsSync);
}

function mountsBelow(pid: string, folder: string): string[] {
  return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder));
}
