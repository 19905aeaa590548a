/** Who makes an archive of Podman's container: Podman, with the compression that it has by itself, and Frazil, with its own. */
import { join } from 'node:path';
import { podmanPrefix } from '../host/podman.js';
import { PACKAGE_ROOT } from '../host/tools.js';
import { archiveIn, versionOf } from './archive.js';
import { builtAt } from './frazil.js';
import { MAIN } from './migrate.js';
import type { ContainerExportPeer, Presence } from './peer.js';

const PODMAN: ContainerExportPeer = {
  name: 'podman',
  title: 'podman container checkpoint --export',
  group: 'container-export',
  detect: presenceOfPodman,
  command: (job) => ({
    argv: [
      ...[...job.podman.command, 'container', 'checkpoint', '--leave-running', '--export', archiveIn(job)],
      job.id,
    ],
    env: job.podman.env,
  }),
};

const FRAZIL: ContainerExportPeer = {
  name: 'frazil',
  title: 'frazil checkpoint --container',
  group: 'container-export',
  detect: async () => {
    const podman = await presenceOfPodman();
    return podman.kind === 'absent' ? podman : builtAt(PACKAGE_ROOT, MAIN);
  },
  command: (job) => ({
    argv: [
      ...[process.execPath, MAIN, 'checkpoint', '--container', job.id, '--runtime-root', job.podman.runtimeRoot],
      ...['--leave-running', '--output', archiveIn(job), '--json'],
    ],
    env: { FRAZIL_CRIU: job.host.criuPath, FRAZIL_RUNC: job.podman.runc },
  }),
};

export const CONTAINER_EXPORT_PEERS: readonly ContainerExportPeer[] = [PODMAN, FRAZIL];

async function presenceOfPodman(): Promise<Presence> {
  const found = await versionOf(join(podmanPrefix(), 'usr/bin/podman'));
  if (found.kind === 'present') return found;
  return { kind: 'absent', reason: 'Podman is not in the private prefix. Run scripts/setup --lab' };
}
