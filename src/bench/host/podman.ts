/**
 * Podman from the private prefix with a store of its own, and one image in it: an engine for one run. Its containers have no network, so nothing of
 * the machine changes but empty folders below /run.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { frazilHome } from '../../criu/locate.js';
import { pathOf } from '../../runtime/locate.js';
import type { ContainerExportJob } from '../peers/peer.js';
import { RunFailure } from '../run.js';
import { fillRoot, PROGRAM } from './container-spec.js';
import type { Signals } from './target.js';

type Told = ContainerExportJob['podman'];

export interface BenchPodman extends AsyncDisposable, Told {
  /** The command that starts a target in a container, detached. */
  launch(target: readonly string[]): readonly string[];
  /** The runtime's name for that container. */
  id(): Promise<string>;
  /** To pids as the container has them. */
  readonly signals: Signals;
}

export interface PodmanPlan {
  /** Exists; everything of it lies in there. */
  readonly folder: string;
  /** Exists; the container has it in the same place. */
  readonly shared: string;
  readonly criu: string;
  /** The program of the target. */
  readonly program: string;
}

const NAME = 'target';
const IMAGE = 'localhost/frazil/bench:1';

/** Where scripts/setup --lab puts it. */
export function podmanPrefix(): string {
  return join(frazilHome(), 'podman');
}

/** Throws RunFailure with what Podman said. */
export async function openPodman({ folder, shared, criu, program }: PodmanPlan): Promise<BenchPodman> {
  const prefix = realpathSync(podmanPrefix());
  const env = environment({ state: folder, prefix, criu });
  const runtimeRoot = join(folder, 'runc');
  const command = [join(prefix, 'usr/bin/podman'), '--runtime-flag', `root=${runtimeRoot}`];
  const call = async (...words: string[]): Promise<string> => {
    const [file = '', ...args] = [...command, ...words];
    try {
      return (await promisify(execFile)(file, args, { env: { ...process.env, ...env } })).stdout.trim();
    } catch (cause) {
      throw new RunFailure(`podman ${words[0] ?? ''} failed`, { log: String(cause), cause });
    }
  };
  const asked = (field: string): Promise<string> => call('inspect', '--format', `{{.${field}}}`, NAME);
  const overlay = join(folder, 'root/overlay');
  try {
    await call('import', '--quiet', await imageIn(folder, program), IMAGE);
  } catch (error) {
    await unmount(overlay);
    throw error;
  }
  return {
    env,
    command,
    runtimeRoot,
    runc: join(prefix, 'usr/sbin/runc'),
    launch: ([, ...args]) => {
      const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      const run = ['run', '--detach', '--network', 'none', '--name', NAME, '--volume', `${shared}:${shared}`, IMAGE];
      return ['env', ...variables, ...command, ...run, PROGRAM, ...args];
    },
    id: () => asked('Id'),
    signals: async (pids, signal) => {
      const words = ['-t', await asked('State.Pid'), '-p', 'kill', `-${signal}`, ...pids.map(String)];
      await promisify(execFile)('nsenter', words);
    },
    async [Symbol.asyncDispose]() {
      await call('rm', '--all', '--force', '--time', '0').finally(() => unmount(overlay));
    },
  };
}

async function imageIn(folder: string, program: string): Promise<string> {
  const rootfs = join(folder, 'image');
  mkdirSync(rootfs);
  fillRoot(rootfs, program);
  const archive = join(folder, 'image.tar');
  await promisify(execFile)('tar', ['-C', rootfs, '-cf', archive, '.']);
  return archive;
}

const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 20;

// The store makes it a mount point; the clean-up of a container that has just ended, in a Podman of its own, takes it away as well: whoever
// comes second finds it gone.
async function unmount(path: string): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const isMounted = (): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);
  while (isMounted() && !patience.aborted) {
    await promisify(execFile)('umount', [path]).catch(() => {});
    await delay(LOOK_AGAIN_MS);
  }
}

interface Place {
  readonly state: string;
  readonly prefix: string;
  readonly criu: string;
}

function environment({ state, prefix, criu }: Place): Readonly<Record<string, string>> {
  for (const name of ['root', 'run', 'tmp', 'bin', '.config/containers'])
    mkdirSync(join(state, name), { recursive: true });
  const file = (name: string, lines: readonly string[], mode = 0o600): string => {
    writeFileSync(join(state, name), `${lines.join('\n')}\n`, { mode });
    return join(state, name);
  };
  const path = pathOf(process.env);
  // runc gives CRIU no environment: so one that knows where its configuration is.
  const config = file('criu.conf', existsSync('/usr/sbin/iptables-restore') ? [] : ['network-lock nftables']);
  const exports = `CRIU_CONFIG_FILE=${config} PATH=${dirname(criu)}:${path}`;
  file('bin/criu', ['#!/bin/sh', `${exports} exec ${criu} "$@"`], 0o755);
  copyFileSync(join(prefix, 'etc/containers/policy.json'), join(state, '.config/containers/policy.json'));
  const storage = ['[storage]', 'driver = "overlay"', `graphroot = "${state}/root"`, `runroot = "${state}/run"`];
  return {
    HOME: state,
    PATH: `${state}/bin:${prefix}/usr/sbin:${prefix}/usr/bin:${path}`,
    PODMAN_IGNORE_CGROUPSV1_WARNING: '1',
    CONTAINERS_REGISTRIES_CONF: join(prefix, 'etc/containers/registries.conf'),
    CONTAINERS_CONF: file('containers.conf', settings(state, prefix)),
    CONTAINERS_STORAGE_CONF: file('storage.conf', storage),
  };
}

// Locks in files, or they were in /dev/shm, one set for the machine.
function settings(state: string, prefix: string): readonly string[] {
  return [
    '[containers]',
    'pids_limit = 0',
    `seccomp_profile = "${prefix}/usr/share/containers/seccomp.json"`,
    '[engine]',
    'runtime = "runc"',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    'lock_type = "file"',
    `conmon_path = ["${prefix}/usr/bin/conmon"]`,
    `helper_binaries_dir = ["${prefix}/usr/libexec/podman"]`,
    `image_copy_tmp_dir = "${state}/tmp"`,
    `tmp_dir = "${state}/run/libpod"`,
    '[engine.runtimes]',
    `runc = ["${prefix}/usr/sbin/runc"]`,
    '[network]',
    'network_backend = "netavark"',
    'firewall_driver = "none"',
    `network_config_dir = "${state}/networks"`,
  ];
}
