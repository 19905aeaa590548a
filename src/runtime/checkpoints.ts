// CheckpointOperations over a runtime's command line, with Frazil in its CRIU's seat.

import { locate } from '../criu/locate.js';
import { operation } from '../criu/operation.js';
import { prepareBundle } from './bundle.js';
import { type Driver, ended, invocationOf, streamsOf } from './driver.js';
import { wordsOf } from './flags.js';
import { expectDone, FIRST_LENT_FD, invoke } from './invoke.js';
import { assertId, type CheckpointOperations } from './operations.js';
import type { CheckpointOptions, RestoreOptions } from './options.js';
import { runSeated } from './process.js';

export function checkpoints(driver: Driver): CheckpointOperations {
  const { runtime } = driver;
  return {
    checkpoint: (id, options) => {
      assertId(id);
      const { signal, ...rest } = options;
      const words = ['checkpoint', ...wordsOf(rest, runtime.checkpoint, { runtime: runtime.name, verb: 'checkpoint' })];
      return operation(signal, (work) =>
        checkpoint({ driver, words: [...words, ...status(options), id], options }, work),
      );
    },
    restore: async (id, options) => {
      assertId(id);
      await prepareBundle(options);
      const words = wordsOf(options, runtime.restore, { runtime: runtime.name, verb: 'restore' });
      return restore(driver, ['restore', ...words, id], options);
    },
  };
}

interface Checkpointing {
  readonly driver: Driver;
  readonly words: readonly string[];
  readonly options: CheckpointOptions;
}

// The runtime is not killed on an abort: Frazil refuses CRIU's next question, CRIU resumes the container, and the runtime says so.
async function checkpoint(
  { driver, words, options }: Checkpointing,
  work: Parameters<typeof runSeated>[1],
): ReturnType<CheckpointOperations['checkpoint']>['done'] {
  const { path: criu } = await locate({ criu: driver.criu });
  const { statusFd } = options;
  const invocation = { ...invocationOf(driver, words), ...(statusFd !== undefined && { fds: [statusFd] }) };
  const end = await invoke(invocation, (plan) => runSeated({ ...plan, criu }, work));
  if (end.failure !== undefined) throw end.failure.error;
  expectDone(invocation, end);
  const dumped = end.services.find((service) => service.kind === 'dumped');
  return dumped === undefined ? {} : { capture: dumped.report };
}

async function restore(
  driver: Driver,
  words: readonly string[],
  options: RestoreOptions,
): Promise<{ readonly status: number }> {
  const { path: criu } = await locate({ criu: driver.criu });
  const work = { signal: new AbortController().signal, emit() {} };
  const invocation = { ...invocationOf(driver, words), ...streamsOf(options), signal: options.signal };
  const end = await invoke(invocation, (plan) => runSeated({ ...plan, criu }, work));
  return ended(invocation, end);
}

function status({ statusFd }: CheckpointOptions): readonly string[] {
  return statusFd === undefined ? [] : ['--status-fd', String(FIRST_LENT_FD)];
}
