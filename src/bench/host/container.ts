/**
 * A container of runc around the target: namespaces of mounts, network, ipc and uts of its own, so what a runtime and CRIU do about them is in every
 * figure. One that stays has the host's libraries bound in, and the host's pids, which are those that the harness sees; one that is
 * to move has a root filesystem and pids of its own.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../criu/find-program.js';
import { pathOf } from '../../runtime/locate.js';
import { RunFailure } from '../run.js';
import { boundContainer, wholeContainer } from './container-spec.js';
import type { Signals } from './target.js';

export interface BenchContainer extends AsyncDisposable {
  readonly id: string;
  /** The runtime's --root. */
  readonly root: string;
  readonly bundle: string;
  /** Of every runtime and CRIU that touches it. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes the bundle for a target, and gives the command that starts it, detached. */
  launch(target: readonly string[]): readonly string[];
  /** As the runtime says; nothing when it knows no such container. */
  status(): Promise<string | undefined>;
  /** To pids as the container has them. */
  readonly signals: Signals;
}

export interface ContainerPlan {
  /** Exists; everything of the container lies in it. */
  readonly folder: string;
  /** Exists; the container has it in the same place. */
  readonly shared: string;
  readonly runc: string;
  readonly criu: string;
  readonly id: string;
  /** The prefix of commands on its host; empty: this one. */
  readonly host: readonly string[];
  readonly files: 'of-the-host' | 'own';
}

export async function openContainer(plan: ContainerPlan): Promise<BenchContainer> {
  const { folder, runc, criu, id, host, files, shared } = plan;
  const [root, bundle] = [join(folder, 'state'), join(folder, 'bundle')];
  mkdirSync(root);
  mkdirSync(bundle);
  const config = join(folder, 'criu.conf');
  // Where there is no iptables every peer uses nftables, as Frazil does by itself.
  const locks = (await findProgram('iptables-restore')) === undefined ? 'network-lock nftables\n' : '';
  writeFileSync(config, locks, { mode: 0o600 });
  const run = async (...command: string[]): Promise<string> => {
    const [file = '', ...args] = [...host, ...command];
    return (await promisify(execFile)(file, args)).stdout;
  };
  const call = (...args: string[]): Promise<string> => run(runc, '--root', root, ...args);
  const state = async (): Promise<Readonly<Record<string, unknown>>> => {
    const said: unknown = JSON.parse(await call('state', id).catch(() => '{}'));
    return typeof said === 'object' && said !== null ? { ...said } : {};
  };
  return {
    id,
    root,
    bundle,
    env: {
      PATH: `${dirname(criu)}:${pathOf(process.env)}`,
      CRIU_CONFIG_FILE: config,
      FRAZIL_CRIU: criu,
      FRAZIL_RUNC: runc,
    },
    launch: (target) => {
      const rootfs = join(bundle, 'rootfs');
      mkdirSync(rootfs);
      const spec = files === 'own' ? wholeContainer({ target, shared, rootfs }) : boundContainer({ target, shared });
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec), { mode: 0o600 });
      return [...host, runc, '--root', root, 'run', '--detach', '--bundle', bundle, id];
    },
    status: async () => {
      const { status } = await state();
      return status === undefined ? undefined : String(status);
    },
    signals: async (pids, signal) => {
      const { pid } = await state();
      await run('nsenter', '-t', String(pid), '-p', 'kill', `-${signal}`, ...pids.map(String));
    },
    [Symbol.asyncDispose]: async () => {
      await call('delete', '--force', id).catch((cause: unknown) => {
        throw new RunFailure(`runc cannot delete container ${id}`, { cause });
      });
    },
  };
}
