// Podman with a store of its own, from the private prefix: an engine for one test. Without a network, so it changes nothing of the machine
// but empty folders below /run.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ask } from './ask.js';
import { CRIU_42 } from './criu-cli.js';
import { rootfsIn } from './engine-image.js';
import { need } from './needs.js';
import { home } from './prefix.js';
import type { TempDir } from './temp-dir.js';
import { until } from './until.js';

const PREFIX = join(home, 'podman');

export const PODMAN = need(
  'Podman in the private prefix',
  !existsSync(join(PREFIX, 'usr/bin/podman')) && `no ${PREFIX}; run scripts/setup --lab`,
);

export const IMAGE = 'localhost/frazil/target:1';

export interface Podman extends AsyncDisposable {
  /** What the image was made of. */
  readonly rootfs: string;
  /** Where its runtime keeps the state of containers. */
  readonly runtimeRoot: string;
  /** Throws with what it said when it fails. */
  call(...args: string[]): Promise<string>;
}

export interface PodmanContainer {
  readonly name: string;
  /** Where its target is asked. */
  readonly control: string;
}

/** Starts a container with the target `memory` in it, and no network; `options` are those of `podman run`. */
export async function run(podman: Podman, name: string, ...options: string[]): Promise<PodmanContainer> {
  const started = ['run', '-d', '--network', 'none', '--name', name, ...options, IMAGE];
  await podman.call(...started, '/bin/memory', '/tmp/control', '16', '2', '4');
  return running(podman, name);
}

/** Waits until the target of the container answers. */
export async function running(podman: Podman, name: string): Promise<PodmanContainer> {
  // The path of its root in the store is too long for a socket.
  const control = `/proc/${await podman.call('inspect', '--format', '{{.State.Pid}}', name)}/root/tmp/control`;
  await until('the target in the container answers', () => ask(control, 'pid').then(Boolean, () => false));
  return { name, control };
}

/** `fill` may add to the image; `runtimes` are known to it by their names, besides its own. */
export async function startPodman(
  dir: TempDir,
  fill: (rootfs: string) => void = () => {},
  runtimes: Readonly<Record<string, string>> = {},
): Promise<Podman> {
  const state = dir.folder('podman');
  const rootfs = await rootfsIn(dir);
  fill(rootfs);
  const runtimeRoot = join(state, 'runc');
  const env = environment(state, runtimes);
  const call = (...args: string[]): Promise<string> =>
    execute(join(PREFIX, 'usr/bin/podman'), ['--runtime-flag', `root=${runtimeRoot}`, ...args], env);
  execFileSync('tar', ['-C', rootfs, '-cf', join(dir.path, 'image.tar'), '.']);
  await call('import', '--quiet', '-c', 'ENV PATH=/bin', join(dir.path, 'image.tar'), IMAGE);
  return {
    rootfs,
    runtimeRoot,
    call,
    async [Symbol.asyncDispose]() {
      await call('rm', '--all', '--force', '--time', '0');
      // Storage makes it a mount point, so that nothing in it propagates; it is one as long as a container was. The clean-up of a container
      // that has just ended, in a Podman of its own, takes it away as well: whoever comes second finds it gone.
      const overlay = join(state, 'root/overlay');
      await until('its storage is unmounted', () => {
        if (isMounted(overlay)) spawnSync('umount', [overlay]);
        return !isMounted(overlay);
      });
    },
  };
}

const isMounted = (path: string): boolean => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);

function environment(state: string, runtimes: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const prefix = realpathSync(PREFIX);
  for (const folder of ['root', 'run', 'tmp', 'bin', '.config/containers'])
    mkdirSync(join(state, folder), { recursive: true });
  const file = (name: string, lines: readonly string[], mode = 0o600): string => {
    writeFileSync(join(state, name), `${lines.join('\n')}\n`, { mode });
    return join(state, name);
  };
  // runc gives CRIU no environment: so one that knows where its configuration is.
  const config = file('criu.conf', ['network-lock nftables']);
  const path = `${dirname(CRIU_42.path)}:$PATH`;
  file('bin/criu', ['#!/bin/sh', `CRIU_CONFIG_FILE=${config} PATH=${path} exec ${CRIU_42.path} "$@"`], 0o755);
  copyFileSync(join(prefix, 'etc/containers/policy.json'), join(state, '.config/containers/policy.json'));
  return {
    HOME: state,
    PATH: `${state}/bin:${prefix}/usr/sbin:${prefix}/usr/bin:${process.env['PATH']}`,
    PODMAN_IGNORE_CGROUPSV1_WARNING: '1',
    CONTAINERS_REGISTRIES_CONF: join(prefix, 'etc/containers/registries.conf'),
    CONTAINERS_CONF: file('containers.conf', containersConf({ state, prefix, runtimes })),
    CONTAINERS_STORAGE_CONF: file('storage.conf', [
      '[storage]',
      'driver = "overlay"',
      `graphroot = "${state}/root"`,
      `runroot = "${state}/run"`,
    ]),
  };
}

// Locks in files, or they were in /dev/shm, one set for the machine.
interface Conf {
  readonly state: string;
  readonly prefix: string;
  readonly runtimes: Readonly<Record<string, string>>;
}

function containersConf({ state, prefix, runtimes }: Conf): readonly string[] {
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
    ...Object.entries(runtimes).map(([name, path]) => `${name} = ["${path}"]`),
    '[network]',
    'network_backend = "netavark"',
    'firewall_driver = "none"',
    `network_config_dir = "${state}/networks"`,
  ];
}

// Into files would do as well: conmon keeps what it inherits, but Podman gives it none of these.
function execute(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { env, maxBuffer: 1 << 24 }, (failure, stdout, stderr) => {
      if (failure === null) resolve(stdout.trim());
      else reject(new Error(`podman ${args.slice(2).join(' ')}: ${stderr}`, { cause: failure }));
    });
  });
}
