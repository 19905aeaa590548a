// A Node HTTP server and the connection that a client, outside of the tree, keeps to it.

import { describe, expect } from 'vitest';
import { CRIUS } from '../helpers/criu-cli.js';
import { openHttp } from '../helpers/http-connection.js';
import { locksOf, watchLeaks } from '../helpers/leaks.js';
import { testWith } from '../helpers/needs.js';
import { killTree, startProgram, type Target, textOf } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo, looksWhole, restoreFrom } from '../helpers/verbs.js';

async function startServer(dir: TempDir): Promise<{ target: Target; port: number }> {
  const script = new URL('../helpers/targets/http-server.mjs', import.meta.url).pathname;
  const portFile = `${dir.path}/port`;
  const { target, ready } = await startProgram([process.execPath, script, portFile], () => textOf(portFile));
  return { target, port: Number(ready) };
}

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here, criu.inet], 'a Node server answers after kill and restore on the same connection', async () => {
    await using dir = tempDir();
    const images = dir.folder('images');
    const started = await startServer(dir);
    await using target = started.target;
    await using client = await openHttp(started.port);
    const connection = [client.localPort, started.port];
    client.send('/before');
    expect(await client.answer()).toMatchObject({ requests: 1, port: client.localPort });

    await dumpTo(images, target, { criu: criu.path, tcpEstablished: true });
    expect(target.alive()).toBe(false);
    // Until the restore nothing must answer for the dead server: a reset would end the connection.
    expect(locksOf(connection)).toHaveLength(1);
    client.send('/while-it-is-dead');
    const tree = await restoreFrom(images, { criu: criu.path, tcpEstablished: true });
    expect(await client.answer()).toMatchObject({ requests: 2, port: client.localPort });
    client.send('/after');
    expect(await client.answer()).toMatchObject({ requests: 3, port: client.localPort });
    expect(locksOf(connection)).toEqual([]);
    await killTree(target, tree);
  });

  testWith([criu.here, criu.inet], 'a server that is left running keeps its connection and no lock stays', async () => {
    await using dir = tempDir();
    const images = dir.folder('images');
    const started = await startServer(dir);
    await using target = started.target;
    await using client = await openHttp(started.port);
    const connection = [client.localPort, started.port];
    const leaks = watchLeaks();
    await dumpTo(images, target, { criu: criu.path, tcpEstablished: true, leaveRunning: true });
    client.send('/after');
    expect(await client.answer()).toMatchObject({ requests: 1, port: client.localPort });
    await leaks.expectNothingLeft(images);
    expect(locksOf(connection)).toEqual([]);
  });

  testWith([criu.here, criu.inet], 'an aborted dump gives the connection back', async () => {
    await using dir = tempDir();
    const images = dir.folder('images');
    const started = await startServer(dir);
    await using target = started.target;
    await using client = await openHttp(started.port);
    const connection = [client.localPort, started.port];
    const leaks = watchLeaks();
    const abort = new AbortController();
    const notify = async ({ kind }: { kind: string }) => {
      if (kind === 'post-dump') abort.abort(new Error('changed my mind'));
      return { kind: 'proceed' } as const;
    };
    const done = dumpTo(images, target, { criu: criu.path, tcpEstablished: true, notify, signal: abort.signal });
    await expect(done).rejects.toMatchObject({ code: 'ABORTED' });
    expect(looksWhole(images)).toBe(false);
    client.send('/after');
    expect(await client.answer()).toMatchObject({ requests: 1, port: client.localPort });
    await leaks.expectNothingLeft(images);
    expect(locksOf(connection)).toEqual([]);
  });
});
