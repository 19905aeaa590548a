// A container that runs before its memory is there: its runtime's restore, with a service behind it as behind every instant restore
// (docs/design/lazy-restore.md).

import { resolve } from 'node:path';
import { beginLazily, type WorkPlace } from '../criu/lazy/begin.js';
import { nowNs } from '../criu/lazy/filling.js';
import type { Filling, LazyOptions } from '../criu/lazy/options.js';
import { locate } from '../criu/locate.js';
import type { Work } from '../criu/operation.js';
import { stagingChain } from '../criu/restore-chain.js';
import type { RestorePlan, RestoreProgress } from '../criu/restore-plan.js';
import { Held } from '../images/held.js';
import type { LazyPagesIn } from '../images/lazy-pages-in.js';
import { openScratch } from '../images/scratch.js';
import { openDirectory } from '../images/staging.js';
import { encodeOptions } from '../options/request.js';
import { type ContainersCall, driverOf } from './containers.js';
import { invocationOf, streamsOf } from './driver.js';
import { wordsOf } from './flags.js';
import { expectDone, invoke } from './invoke.js';
import type { RestoreOptions } from './options.js';
import { runSeated } from './process.js';
import { lazyDeputy } from './seat/lazy-deputy.js';

export interface LazyContainer {
  readonly id: string;
  readonly call: ContainersCall;
  /** With `detach`, a work directory, and the images directory that CRIU reads. */
  readonly options: RestoreOptions & { readonly workDirectory: string };
  readonly lazy: LazyOptions;
  /** What messages call the images, when that is not their path. */
  readonly named?: string;
  /** Where the pages are, when not in the images directory. */
  readonly pages?: LazyPagesIn | undefined;
}

/**
 * Resolves when the container runs. Rejects as restore() of the runtime does, with LAZY_FAILED, and with what a chain of parents is refused
 * with; then there is no container.
 */
export async function restoreLazily(asked: LazyContainer, work: Work<RestoreProgress>): Promise<Filling> {
  const { options, lazy, named, pages } = asked;
  const plan: RestorePlan = {
    imagesDir: resolve(options.imagesDirectory),
    criu: asked.call.criu,
    notify: undefined,
    options: { workDir: options.workDirectory },
    lazy,
    asked: nowNs(),
    encode: (own) => encodeOptions('restore', {}, own),
    ...(named === undefined ? {} : { named }),
    ...(pages === undefined ? {} : { pages }),
  };
  return stagingChain((staged) => byRuntime(asked, staged, work), plan, work);
}

async function byRuntime(
  { id, call, options, lazy }: LazyContainer,
  { imagesDir, named = imagesDir, pages, asked = nowNs() }: RestorePlan,
  { signal }: Work<RestoreProgress>,
): Promise<Filling> {
  const driver = await driverOf(call);
  const { path: criu } = await locate({ criu: call.criu });
  using images = await openDirectory(imagesDir);
  await using opened = new Held();
  const place = await openFolder(opened);
  const workDir = resolve(options.workDirectory);
  await using begun = await beginLazily({ options: lazy, images, imagesDir: named, pages, workDir, place, asked });
  const { runtime } = driver;
  // Memory without a name has one for the runtime, by way of us.
  const imagesDirectory = imagesDir.replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
  const words = wordsOf({ ...options, imagesDirectory }, runtime.restore, { runtime: runtime.name, verb: 'restore' });
  const invocation = { ...invocationOf(driver, ['restore', ...words, id]), ...streamsOf(options), signal };
  const quiet = { signal: new AbortController().signal, emit() {} };
  const end = await invoke(invocation, (given) =>
    runSeated({ ...given, criu, deputy: lazyDeputy(begun, place.path) }, quiet),
  );
  if (begun.lost.aborted) throw await begun.failure();
  if (end.failure !== undefined) throw end.failure.error;
  expectDone(invocation, end);
  return begun.handOver();
}

async function openFolder(opened: Held): Promise<WorkPlace> {
  const scratch = await openScratch('lazy');
  opened.defer(() => scratch[Symbol.asyncDispose]());
  const { path } = scratch;
  return { path, fd: opened.use(await openDirectory(path)) };
}
