// CRIU is SIGKILLed while it holds the connections of a tree: in repair mode, behind a packet filter. Nobody but Frazil is left to give
// them back to the tree, which runs on.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { Notify } from '../../src/rpc/session.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { openHttp } from '../helpers/http-connection.js';
import { locksOf, tablesOf, watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { at, criuBelow } from '../helpers/points.js';
import { killTree, startProgram, type Target, textOf } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo, looksWhole, restoreFrom } from '../helpers/verbs.js';

async function startServer(dir: TempDir): Promise<{ target: Target; port: number }> {
  const script = new URL('../helpers/targets/http-server.mjs', import.meta.url).pathname;
  const portFile = `${dir.path}/port`;
  const { target, ready } = await startProgram([process.execPath, script, portFile], () => textOf(portFile));
  return { target, port: Number(ready) };
}

const kill = () => process.kill(criuBelow(process.pid), 'SIGKILL');

/** The id after which CRIU named the table of its last run. */
function runIdIn(images: string): string {
  const log = join(images, 'dump.log');
  const ids = existsSync(log) ? [...readFileSync(log, 'utf8').matchAll(/CRIU run id = (\S+)/g)] : [];
  return ids.at(-1)?.[1] ?? '';
}

const CASES = ['pre-dump', 'query-ext-files', 'post-dump'].flatMap((point) =>
  [true, false].map((leaveRunning) => ({ point, leaveRunning })),
);

describe.each(CRIUS)('with criu $name', (criu) => {
  for (const { point, leaveRunning } of CASES) {
    const title = `killed at ${point}, ${leaveRunning ? 'leaving' : 'not leaving'} the tree running: its connection works`;
    testWith([criu.here, criu.inet], title, async () => {
      await using dir = tempDir();
      const images = dir.folder('images');
      const started = await startServer(dir);
      await using target = started.target;
      await using client = await openHttp(started.port);
      client.send('/before');
      expect(await client.answer()).toMatchObject({ requests: 1, port: client.localPort });
      const leaks = watchLeaks();

      const { notify } = at(point, () => {
        if (point === 'post-dump') expect(locksOf([client.localPort, started.port])).toHaveLength(1);
        // A packet that the filter swallows, and that comes again.
        client.send('/while-it-is-dumped');
        kill();
      });
      const call = { criu: criu.path, tcpEstablished: true, networkLock: 'nftables', notify, leaveRunning } as const;
      const failure = await dumpTo(images, target, call).catch((error: Error) => error);
      expect(failure).toMatchObject({ code: 'CRIU_DIED' });
      expect((failure as Error).message).toBe('Cannot finish DUMP: CRIU was killed by SIGKILL without an answer');

      expect(await client.answer()).toMatchObject({ requests: 2, port: client.localPort });
      client.send('/after');
      expect(await client.answer()).toMatchObject({ requests: 3, port: client.localPort });
      expect(runIdIn(images)).not.toBe('');
      expect(tablesOf(runIdIn(images))).toEqual([]);
      await leaks.expectNothingLeft(images);
      // Only a tree that was about to die has its images committed before CRIU goes on.
      expect(looksWhole(images)).toBe(point === 'post-dump' && !leaveRunning);
    });
  }

  testWith(
    [criu.here, criu.inet],
    'killed while post-dump is held for ever: heard at once, the connection works',
    async () => {
      await using dir = tempDir();
      const images = dir.folder('images');
      const started = await startServer(dir);
      await using target = started.target;
      await using client = await openHttp(started.port);
      const leaks = watchLeaks();
      const reasons: string[] = [];
      const notify: Notify = ({ kind }, { signal }) => {
        if (kind !== 'post-dump') return { kind: 'proceed' };
        signal.addEventListener('abort', () => reasons.push(String(signal.reason)));
        expect(locksOf([client.localPort, started.port])).toHaveLength(1);
        kill();
        return new Promise(() => {});
      };
      const died = dumpTo(images, target, { criu: criu.path, tcpEstablished: true, networkLock: 'nftables', notify });
      await expect(died).rejects.toMatchObject({ code: 'CRIU_DIED' });
      expect(reasons).toEqual(['Error: CRIU has ended']);
      client.send('/after');
      expect(await client.answer()).toMatchObject({ requests: 1, port: client.localPort });
      expect(tablesOf(runIdIn(images))).toEqual([]);
      await leaks.expectNothingLeft(images);
      expect(looksWhole(images)).toBe(false);
    },
  );

  testWith([criu.here, criu.inet], 'after its death another dump and the restore keep the connection', async () => {
    await using dir = tempDir();
    const images = dir.folder('images');
    const started = await startServer(dir);
    await using target = started.target;
    await using client = await openHttp(started.port);
    const { notify } = at('post-dump', kill);
    const died = dumpTo(images, target, { criu: criu.path, tcpEstablished: true, leaveRunning: true, notify });
    await expect(died).rejects.toMatchObject({ code: 'CRIU_DIED' });
    await dumpTo(images, target, { criu: criu.path, tcpEstablished: true });
    const tree = await restoreFrom(images, { criu: criu.path, tcpEstablished: true });
    client.send('/after');
    expect(await client.answer()).toMatchObject({ requests: 1, port: client.localPort });
    expect(locksOf([client.localPort, started.port])).toEqual([]);
    await killTree(target, tree);
  });
});
