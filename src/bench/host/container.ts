/**
 * A container of runc around the target: the host's libraries bound in, namespaces of its own but that of pids, so that the pids in it are
 * those that the harness sees. Network and mounts are a container's: what a runtime and CRIU do about them is in every figure.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../criu/find-program.js';
import { pathOf } from '../../runtime/locate.js';
import { RunFailure } from '../run.js';

export interface BenchContainer extends AsyncDisposable {
  readonly id: string;
  /** The runtime's --root. */
  readonly root: string;
  /** Of every runtime and CRIU that touches it. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes the bundle for a target, and gives the command that starts it, detached. */
  launch(target: readonly string[]): readonly string[];
  /** As the runtime says. */
  status(): Promise<string>;
}

export interface ContainerPlan {
  /** Exists; everything of the container lies in it. */
  readonly folder: string;
  readonly runc: string;
  readonly criu: string;
  readonly id: string;
}

const LIBRARIES = ['/usr', '/lib', '/lib64'];

export async function openContainer({ folder, runc, criu, id }: ContainerPlan): Promise<BenchContainer> {
  const [root, bundle] = [join(folder, 'state'), join(folder, 'bundle')];
  mkdirSync(join(bundle, 'rootfs'), { recursive: true });
  const config = join(folder, 'criu.conf');
  // Where there is no iptables every peer uses nftables, as Frazil does by itself.
  const locks = (await findProgram('iptables-restore')) === undefined ? 'network-lock nftables\n' : '';
  writeFileSync(config, locks, { mode: 0o600 });
  const call = async (...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(runc, ['--root', root, ...args]);
    return stdout;
  };
  return {
    id,
    root,
    env: {
      PATH: `${dirname(criu)}:${pathOf(process.env)}`,
      CRIU_CONFIG_FILE: config,
      FRAZIL_CRIU: criu,
      FRAZIL_RUNC: runc,
    },
    launch: (target) => {
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(specOf(target, folder)), { mode: 0o600 });
      return [runc, '--root', root, 'run', '--detach', '--bundle', bundle, id];
    },
    status: async () => {
      const state: unknown = JSON.parse(await call('state', id));
      return typeof state === 'object' && state !== null ? String(Reflect.get(state, 'status')) : '';
    },
    [Symbol.asyncDispose]: async () => {
      await call('delete', '--force', id).catch((cause: unknown) => {
        throw new RunFailure(`runc cannot delete container ${id}`, { cause });
      });
    },
  };
}

function specOf(target: readonly string[], folder: string): object {
  const [program = ''] = target;
  const bound = [...LIBRARIES, dirname(program), folder].map((path) => ({
    destination: path,
    type: 'bind',
    source: realpathSync(path),
    options: ['bind', path === folder ? 'rw' : 'ro'],
  }));
  return {
    ociVersion: '1.0.2',
    process: { terminal: false, user: { uid: 0, gid: 0 }, args: target, env: ['PATH=/usr/bin'], cwd: '/' },
    root: { path: 'rootfs', readonly: false },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777', 'size=65536k'] },
      ...bound,
    ],
    linux: { namespaces: ['mount', 'network', 'ipc', 'uts'].map((type) => ({ type })) },
  };
}
