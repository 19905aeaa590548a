// The copy of a container: its runtime's restore, with CRIU held before the first instruction, and before the runtime hears that there is a
// container, until somebody decides. As with every copy (migrate/destination/copy.ts) CRIU is started while the container still runs
// elsewhere, and waits on the inventory; so is the runtime, which has its mounts and cgroups to make.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { feed } from '../../criu/arriving.js';
import { LOG_LEVEL } from '../../criu/dump.js';
import { locate } from '../../criu/locate.js';
import { adoptTree, killTree, type Tree } from '../../criu/tree.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import { verifyImages } from '../../images/verify.js';
import {
  type Copy,
  copyOf,
  type Door,
  deferred,
  type Held as HeldCopy,
  openInventory,
} from '../../migrate/destination/copy.js';
import { RESTORE_LOG } from '../../migrate/destination/guarded.js';
import type { RestoreNeeds } from '../../migrate/wire/messages.js';
import type { Notify, Verdict } from '../../rpc/session.js';
import { type ContainersCall, containers, driverOf } from '../containers.js';
import { invocationOf } from '../driver.js';
import { wordsOf } from '../flags.js';
import { expectDone, invoke } from '../invoke.js';
import { runSeated } from '../process.js';
import { configThatExists } from '../seat/config.js';
import { reopened } from '../seat/request.js';
import { answer, failed, type SeatedRequest, takeSeat } from '../seat/seated-request.js';
import { ownCgroups, removeCgroups, rootedCgroups } from './cgroups.js';
import { detachMounts } from './mounts.js';
import { restoreFailed } from './restore-failed.js';

export interface HeldRestore {
  /** The folder of the final level, in which pages may arrive already. */
  readonly directory: string;
  /** Of CRIU's log and statistics: exists, and is empty. */
  readonly workDir: string;
  readonly needs: RestoreNeeds;
}

export interface RestorePlan extends HeldRestore {
  readonly call: ContainersCall;
  readonly id: string;
  readonly bundle: string;
  /** Where the container's terminal goes. */
  readonly consoleSocket?: string;
}

/** Starts the runtime. */
export async function restoreHeld(plan: RestorePlan): Promise<Copy> {
  const { directory, needs } = plan;
  await writeFile(join(directory, 'descriptors.json'), needs.descriptors ?? '[]', { mode: 0o600 });
  const abort = new AbortController();
  const decision = deferred<Verdict>();
  const reached = deferred<HeldCopy>();
  const whole = deferred<void>();
  const door = await openInventory(directory);
  const done = restoring(plan, {
    door,
    whole: whole.promise,
    reached,
    decision: decision.promise,
    signal: abort.signal,
  });
  return copyOf(done.finally(door.close), { door, whole, reached, decision, abort });
}

interface Holding {
  readonly door: Door;
  readonly whole: Promise<void>;
  readonly reached: { resolve(held: HeldCopy): void };
  readonly decision: Promise<Verdict>;
  readonly signal: AbortSignal;
}

/** Resolves when the runtime has ended well: before, it could still take the container away. */
async function restoring(plan: RestorePlan, holding: Holding): Promise<Tree> {
  const { call, id, bundle, directory, workDir, needs, consoleSocket } = plan;
  const driver = await driverOf(call);
  const { path: criu } = await locate({ criu: call.criu });
  const { tcpEstablished, fileLocks, extUnixSk, shellJob } = needs;
  const options = { tcpEstablished, fileLocks, externalUnixConnections: extUnixSk, shellJob, detach: true };
  const where = { bundle, imagesDirectory: directory, workDirectory: workDir, consoleSocket };
  const { runtime } = driver;
  const words = wordsOf({ ...options, ...where }, runtime.restore, { runtime: runtime.name, verb: 'restore' });
  const invocation = invocationOf(driver, ['restore', ...words, id]);
  let root: number | undefined;
  let groups: readonly string[] = [];
  let failure: { readonly error: unknown } | undefined;
  const carryOut = async (asked: SeatedRequest): Promise<void> => {
    try {
      const { cg_root = [] } = asked.request.opts;
      const { pid, asker } = asked.seated;
      groups = [...(await ownCgroups(pid, asker)), ...(await rootedCgroups(cg_root, asker))];
      root = await restoreFor(asked, plan, holding);
    } catch (error) {
      failure = { error };
    }
  };
  const deputy = { request: 'RESTORE', carryOut } as const;
  const quiet = { signal: new AbortController().signal, emit() {} };
  try {
    const end = await invoke(invocation, (given) => runSeated({ ...given, criu, deputy }, quiet));
    if (failure !== undefined) throw failure.error;
    if (end.failure !== undefined) throw end.failure.error;
    if (end.status !== 0 && root !== undefined && (await isKnown(plan, root)))
      await detachMounts(await stateFolder(plan));
    else expectDone(invocation, end);
    if (root === undefined)
      throw new CheckpointError('PROTOCOL', 'Cannot restore: the runtime has asked for nothing', {});
    return adoptTree({ pid: root, child: false, terminal: undefined });
  } catch (error) {
    if (root !== undefined) await killTree(root);
    await forget(plan);
    await removeCgroups(groups);
    throw error;
  }
}

// A runtime that was killed after CRIU had let the container run may have written down before that it does. What runs is not taken back then.
async function isKnown({ call, id }: RestorePlan, root: number): Promise<boolean> {
  const operations = await containers(call);
  const state = await operations.state(id).catch(() => undefined);
  return state?.status === 'running' && state.pid === root;
}

// The root task, as CRIU's pid namespace has it, which is ours.
async function restoreFor(asked: SeatedRequest, plan: RestorePlan, holding: Holding): Promise<number> {
  const { directory, workDir } = plan;
  const { reached, decision, signal, door, whole } = holding;
  signal.throwIfAborted();
  using images = await openDirectory(directory);
  await using opened = new Held();
  // The runtime's own directories, by way of its process: it may see other mounts than we.
  const { opts: named = asked.request.opts } = await reopened(asked.seated.asker, asked.request, opened);
  const { config_file, ...given } = named;
  const config = await configThatExists(config_file);
  const opts = {
    ...given,
    log_file: RESTORE_LOG,
    log_level: LOG_LEVEL,
    notify_scripts: true,
    ...(config === undefined ? {} : { config_file: config.path }),
  };
  await using session = takeSeat(asked, []);
  let root: number | undefined;
  const notify: Notify = (notification) => {
    if (notification.kind === 'setup-namespaces' || notification.kind === 'post-restore') root = notification.pid;
    if (notification.kind !== 'post-restore') return { kind: 'proceed' };
    reached.resolve({ root: notification.pid, criu: session.pid });
    return decision;
  };
  const answering = session.exchange({ kind: 'RESTORE', opts }, { notify, signal, graceMs: GRACE_MS });
  answering.catch(() => {});
  const remnants = { clear: async () => {} };
  const look = async (): Promise<typeof remnants> => verifyImages(directory, images, signal).then(() => remnants);
  try {
    await feed({ whole, release: door.release, abandon: door.close }, { look, answering });
    const said = await answering;
    if (said.kind !== 'served') throw await restoreFailed({ said, directory, workDir, signal });
    answer(asked, session.answer ?? failed(asked.request, undefined));
    return said.pid;
  } catch (error) {
    // A CRIU that was killed leaves it half made.
    if (root !== undefined) await killTree(root);
    answer(asked, session.answer?.success === false ? session.answer : failed(asked.request, error));
    throw error;
  }
}

// After an abort, how long CRIU may take to end what it has made.
const GRACE_MS = 5_000;

/**
 * Some runtimes keep the state of a container that they could not restore; one that was killed leaves its mounts, too. There was none
 * of that name before.
 */
export async function forget({ call, id }: RestorePlan): Promise<void> {
  const operations = await containers(call);
  // First: with a state that is not whole the runtime removes the folder with all that is below it, the mounted root filesystem included.
  await detachMounts(await stateFolder({ call, id }));
  await operations.delete(id, { force: true }).catch(() => {});
}

async function stateFolder({ call, id }: Pick<RestorePlan, 'call' | 'id'>): Promise<string> {
  const { root = (await driverOf(call)).runtime.defaultRoot } = call;
  return join(root, id);
}
