// A container that serves moves between two network namespaces with its address, while a connection to it stays.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { addressSwitch } from '../../src/migrate/network/address-switch.js';
import {
  type Container,
  criuConfig,
  makeContainer,
  RUNTIMES,
  removeCgroups,
  type Spec,
  type TestRuntime,
} from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { openHttp } from '../helpers/http-connection.js';
import { BRIDGES, startLan, startNetworkNamespace } from '../helpers/lan.js';
import { migrateFrom } from '../helpers/migrate-from.js';
import { testWith } from '../helpers/needs.js';
import { startHost } from '../helpers/second-host.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const helper = (name: string): string => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));
const SERVER = helper('targets/http-server.mjs');

/** Node with the host's libraries, in the network namespace at `network`. */
function serving(spec: Spec, network: string, address: string): void {
  spec.process.args = [process.execPath, SERVER, '/tmp/port', address];
  for (const path of new Set(['/usr', '/lib', '/lib64', dirname(process.execPath), dirname(SERVER)]))
    spec.mounts.push({ destination: path, type: 'bind', source: realpathSync(path), options: ['bind', 'ro'] });
  spec.linux.namespaces = spec.linux.namespaces.map((each) =>
    each.type === 'network' ? { type: 'network', path: network } : each,
  );
}

async function startServer(runtime: TestRuntime, dir: TempDir, network: string, address: string) {
  const container = await makeContainer(runtime, dir, { change: (spec) => serving(spec, network, address) });
  const { status, stderr } = await container.call('run', '--detach', '--bundle', container.bundle, container.id);
  expect(status, stderr).toBe(0);
  const port = join(container.bundle, 'rootfs/tmp/port');
  await until('the server listens', () => existsSync(port));
  return { container, port: Number(readFileSync(port, 'utf8')) };
}

/** The bundle there: the same, but for the network namespace, which is that of the host's first process. */
function bundleThere(dir: TempDir, { bundle }: Container): string {
  const there = dir.folder('there');
  const spec: Spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  const namespaces = spec.linux.namespaces.map((each) =>
    each.type === 'network' ? { type: 'network', path: '/proc/1/ns/net' } : each,
  );
  writeFileSync(join(there, 'config.json'), JSON.stringify({ ...spec, linux: { ...spec.linux, namespaces } }));
  return there;
}

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here, CRIU_42.inet, BRIDGES];
  for (const leaves of [true, false]) {
    const what = leaves ? 'moves with its address' : 'stays when its address cannot leave';
    testWith(needs, `a container that serves ${what}, and keeps its connection`, async () => {
      await using dir = tempDir();
      await using lan = startLan();
      await using here = await startNetworkNamespace();
      const address = lan.address(7);
      const bare = address.split('/')[0] ?? '';
      lan.attach(here.pid, address);
      const { container, port } = await startServer(runtime, dir, `/proc/${here.pid}/ns/net`, bare);
      await using _container = container;
      const networkSwitch = addressSwitch({ address, device: 'eth0' });
      const id = `${container.id}-2`;
      const [root, bundle] = [dir.folder('state-there'), bundleThere(dir, container)];
      const paths = { [runtime.name]: runtime.program(dir) };
      // When the host has gone, and the container with it.
      await using _cgroups = { [Symbol.asyncDispose]: async () => removeCgroups(id) };
      process.env['CRIU_CONFIG_FILE'] = criuConfig(container.bundle);
      await using host = await startHost({
        at: `${dir.path}/host`,
        networkSwitch,
        criu: CRIU_42.path,
        container: { bundle, id, root, paths },
      });
      delete process.env['CRIU_CONFIG_FILE'];
      lan.attach(await host.first(), lan.address(3));
      await using client = await openHttp(port, bare);
      client.send('/before');
      expect(await client.answer()).toMatchObject({ requests: 1 });
      const options = {
        to: host.address,
        roots: [container.root],
        paths,
        criu: CRIU_42.path,
        tcpEstablished: true,
        // On a busy machine the downtime that is aimed at may be out of reach.
        maxDowntimeMs: 5000,
        networkSwitch: leaves ? networkSwitch : networkSwitch.replace(/^leave\).*$/m, 'leave) exit 1;;'),
      };
      const env = { ...process.env, CRIU_CONFIG_FILE: criuConfig(container.bundle) };
      const report = await migrateFrom(here.pid, { container: container.id, options }, env);
      expect(report !== undefined, JSON.stringify(host.events)).toBe(leaves);
      client.send('/after');
      expect(await client.answer()).toMatchObject({ requests: 2, port: client.localPort });
      expect((await container.state())?.status).toBe(leaves ? undefined : 'running');
      const first = String(await host.first());
      const words = [runtime.program(dir), '--root', root, 'state', id];
      const there = spawnSync('nsenter', ['-t', first, '-p', '-m', '-n', ...words], { encoding: 'utf8' });
      if (leaves) expect(JSON.parse(there.stdout)).toMatchObject({ id, status: 'running', bundle });
      else expect(there.status).not.toBe(0);
    });
  }
});
