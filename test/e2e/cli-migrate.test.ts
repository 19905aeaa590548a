// frazil migrate and frazil receive with pages left behind, as a shell runs them.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { parseAddress } from '../../src/migrate/wire/address.js';
import { connectControl } from '../../src/migrate/wire/connect.js';
import { startBuiltHost } from '../helpers/built-host.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { startProxy } from '../helpers/message-proxy.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { buildCli, runProgram } from '../integration/cli/programs.js';

beforeAll(buildCli, 120_000);

const MEGABYTES = 16;
const PAGES = (MEGABYTES * 2 ** 20) / 4096;

const WAYS = [
  { options: ['--mode', 'post-copy', '--rescue-to', 'rescue'], mode: 'post-copy' },
  { options: ['--mode', 'hybrid', '--max-iterations', '2'], mode: 'hybrid' },
  // No target of a millisecond is ever met.
  { options: ['--when-diverging', 'lazy', '--max-downtime', '1', '--max-iterations', '2'], mode: 'hybrid' },
] as const;

for (const { options, mode } of WAYS) {
  testWith([CRIU_42.here], `frazil migrate ${options.join(' ')} loses no write, and says what it was`, async () => {
    await using dir = tempDir();
    const rescue = dir.folder('rescue');
    const control = join(dir.path, 'control');
    await using target = await startTarget('dirtier', [control, String(MEGABYTES)], { control });
    await target.ask('run');
    const pids = target.tree();
    await using host = await startBuiltHost(join(dir.path, 'host'), '--once', '--criu', CRIU_42.path);
    const argv = ['migrate', '-t', String(target.pid), '--to', host.address, '--json', ...options];
    const ran = await runProgram('frazil', argv, { cwd: dir.path });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    await waitGone(pids);
    const events = ran.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.some(({ phase }) => phase === 'filling')).toBe(true);
    expect(events.at(-1)).toMatchObject({ mode, pid: target.pid });
    expect(events.at(-1).fill.bytes).toBeGreaterThan(0);
    const { pages, broken } = await target.ask<{ pages: number; broken: number }>('verify');
    expect({ pages, broken }).toEqual({ pages: PAGES, broken: 0 });
    // Nothing was lost that would have to be kept.
    expect(readdirSync(rescue)).toEqual([]);
  });
}

testWith(
  [CRIU_42.here],
  'frazil receive --once refuses another source, and goes on with the one that it has',
  async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('dirtier', [control, String(MEGABYTES)], { control });
    const pids = target.tree();
    const at = join(dir.path, 'host');
    await using host = await startBuiltHost(at, '--once', '--criu', CRIU_42.path);
    let refusal: unknown;
    const onMessage = async (direction: string, type: string): Promise<'pass'> => {
      if (refusal === undefined && `${direction} ${type}` === 'to-destination level')
        refusal = await refusalAt(host.address);
      return 'pass';
    };
    await using proxy = await startProxy(join(dir.path, 'proxy'), at, { onMessage });
    const argv = ['migrate', '-t', String(target.pid), '--to', proxy.address, '--max-iterations', '0', '--json'];
    expect(await runProgram('frazil', argv, { cwd: dir.path })).toMatchObject({ status: 0, stderr: '' });
    expect(refusal).toMatchObject({ type: 'gone', code: 'PROTOCOL' });
    await waitGone(pids);
    await until('the tree has arrived there', () => host.said().includes('"running"'));
  },
);

/** What a source of another version is told. */
async function refusalAt(address: string): Promise<unknown> {
  const { signal } = new AbortController();
  const { channel } = await connectControl({ to: parseAddress(address), security: { kind: 'plaintext' }, signal });
  await channel.send({
    type: 'hello',
    version: 0,
    id: '0'.repeat(32),
    pid: 1,
    tasks: [],
    bytes: 0,
    maxBytes: 0,
    streams: 1,
    leaves: false,
    kernel: '',
    machine: '',
    facts: { criu: '', cpuinfo: '', namespaces: [], files: [] },
    container: undefined,
  });
  const heard = await channel.receive();
  await channel.close();
  return heard?.message;
}
