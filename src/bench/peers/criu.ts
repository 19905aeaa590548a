/** CRIU's own command line, as an administrator types it: default verbosity, because debug logs cost it a fifth of its speed. */
import type { DumpPeer } from './peer.js';

export const CRIU: DumpPeer = {
  name: 'criu',
  title: 'criu dump',
  group: 'dump',
  detect: async ({ host }) => ({ kind: 'present', version: host.criuVersion }),
  command: ({ host, pid, imagesDir, workDir, scenario }) => [
    ...[host.criuPath, 'dump', '-t', String(pid), '-D', imagesDir, '-W', workDir, '-o', 'dump.log'],
    ...(scenario.leaveRunning ? ['--leave-running'] : []),
  ],
};
