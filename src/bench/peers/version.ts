/** The `version` group: the same request and the same answer, driven by hand from C and through Frazil's session from Node. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../host/tools.js';
import type { VersionPeer } from './peer.js';

/** Fork, exec, send, receive, wait, in C: nothing can cost less. The baseline. */
const BY_HAND: VersionPeer = {
  name: 'criu-by-hand',
  title: 'criu swrk, forked and driven by hand in C',
  group: 'version',
  detect: async ({ host }) => ({ kind: 'present', version: host.criuVersion }),
  command: ({ tools, host, scenario }) => [
    tools.version,
    host.criuPath,
    String(scenario.repeats),
    String(scenario.repeats),
  ],
};

/** Node's own child_process and a bare read and write on the socket: what a Node program without Frazil's session would pay. */
const NODE_BY_HAND = driver('node-by-hand', 'criu swrk, spawned and driven by hand in Node', 'version-by-hand.js');

const SESSION = driver('frazil', "Frazil's session", 'version-session.js');

export const VERSION_PEERS: readonly VersionPeer[] = [BY_HAND, NODE_BY_HAND, SESSION];

function driver(name: string, title: string, file: string): VersionPeer {
  const path = join(PACKAGE_ROOT, 'dist/bench/drivers', file);
  return {
    name,
    title,
    group: 'version',
    async detect() {
      const built = await access(path).then(
        () => true,
        () => false,
      );
      return built
        ? { kind: 'present', version: process.version }
        : { kind: 'absent', reason: `"${path}" is not there. Run npm run build` };
    },
    command: ({ host, scenario }) => [
      process.execPath,
      path,
      host.criuPath,
      String(scenario.repeats),
      String(scenario.repeats),
    ],
  };
}
