// A server with an established connection moves between two network namespaces, with its address, and the connection stays.

import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { addressSwitch } from '../../src/migrate/network/address-switch.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { openHttp } from '../helpers/http-connection.js';
import { BRIDGES, startLan, startNetworkNamespace } from '../helpers/lan.js';
import { migrateFrom } from '../helpers/migrate-from.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { startHost } from '../helpers/second-host.js';
import { startProgram, textOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';

const helper = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));

const NEEDS = [CRIU_42.here, CRIU_42.inet, BRIDGES];

const CASES = [
  { leaves: true, mode: 'pre-copy', what: 'moves with its address' },
  { leaves: true, mode: 'post-copy', what: 'moves with its address before its memory' },
  { leaves: false, mode: 'pre-copy', what: 'stays when its address cannot leave' },
] as const;

for (const { leaves, mode, what } of CASES) {
  testWith(NEEDS, `a server ${what}, and keeps its connection`, async () => {
    await using dir = tempDir();
    await using lan = startLan();
    await using here = await startNetworkNamespace();
    const address = lan.address(7);
    const bare = address.split('/')[0] ?? '';
    lan.attach(here.pid, address);
    const portFile = `${dir.path}/port`;
    const server = [process.execPath, helper('targets/http-server.mjs'), portFile, bare];
    const started = await startProgram(['nsenter', '-t', String(here.pid), '-n', ...server], () => textOf(portFile));
    await using target = started.target;
    const networkSwitch = addressSwitch({ address, device: 'eth0' });
    await using host = await startHost({ at: `${dir.path}/host`, networkSwitch });
    lan.attach(await host.first(), lan.address(3));
    await using client = await openHttp(Number(started.ready), bare);
    client.send('/before');
    expect(await client.answer()).toMatchObject({ requests: 1 });
    const leaving = leaves ? networkSwitch : networkSwitch.replace(/^leave\).*$/m, 'leave) exit 1;;');
    const pids = target.tree();
    const report = await migrateFrom(here.pid, {
      pid: target.pid,
      options: {
        to: host.address,
        criu: CRIU_42.path,
        dump: { tcpEstablished: true },
        // On a busy machine the downtime that is aimed at may be out of reach.
        maxDowntimeMs: 2000,
        mode,
        networkSwitch: leaving,
      },
    });
    expect(report !== undefined).toBe(leaves);
    if (leaves) await waitGone(pids);
    client.send('/after');
    expect(await client.answer()).toMatchObject({ requests: 2, port: client.localPort });
    expect((await host.tasks()).includes(target.pid)).toBe(leaves);
    expect(target.alive()).toBe(!leaves);
  });
}

testWith(NEEDS, 'on a slow link pages are compressed without being told', async () => {
  await using dir = tempDir();
  await using lan = startLan();
  await using here = await startNetworkNamespace();
  lan.attach(here.pid, lan.address(2));
  lan.slow(here.pid, 200);
  const portFile = `${dir.path}/port`;
  const server = [process.execPath, helper('targets/http-server.mjs'), portFile];
  const started = await startProgram(['nsenter', '-t', String(here.pid), '-n', ...server], () => textOf(portFile));
  await using target = started.target;
  await using host = await startHost({ listen: '0.0.0.0:7878', plaintext: true });
  lan.attach(await host.first(), lan.address(3));
  const report = await migrateFrom(here.pid, {
    pid: target.pid,
    options: {
      to: `${lan.address(3).split('/')[0]}:7878`,
      criu: CRIU_42.path,
      plaintext: true,
      maxDowntimeMs: 2000,
    },
  });
  const [first] = report?.iterations ?? [];
  expect(first?.packedBytes).toBeGreaterThan((first?.changedBytes ?? 0) / 2);
  expect(first?.wireBytes).toBeLessThan((first?.changedBytes ?? 0) * 0.7);
});
