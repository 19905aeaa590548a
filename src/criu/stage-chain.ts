// A chain as the one level that CRIU restores from while the rest comes lazily.

import type { Fd } from '../addon/fd.js';
import { stageChain } from '../addon/images.js';
import { copySmallImages } from '../images/copy-small-images.js';
import { Held } from '../images/held.js';
import { lazyRanges } from '../images/lazy-ranges.js';
import { imageError } from '../images/pagemaps.js';
import { openSmall } from '../images/small-images.js';
import { openDirectory } from '../images/staging.js';
import type { RestorePlan } from './restore-plan.js';

export type StagedChain = Pick<RestorePlan, 'imagesDir' | 'pages'> & AsyncDisposable;

/** Throws IMAGES_CORRUPT with the level that is wrong, FEATURE_MISSING, IO or ABORTED. */
export async function stageWholeChain(
  { imagesDir, named = imagesDir }: Pick<RestorePlan, 'imagesDir' | 'named'>,
  signal: AbortSignal,
): Promise<StagedChain> {
  await using opened = new Held();
  const small = opened.use(await openSmall());
  opened.defer(() => small.remove());
  const chain = opened.use(await stageChainInto({ imagesDir, named, signal }, small));
  const held = opened.move();
  return { imagesDir: small.path, pages: { chain }, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}

interface ToStage {
  readonly imagesDir: string;
  /** For messages. */
  readonly named: string;
  readonly signal: AbortSignal;
}

/** Into an empty directory, which has all that a restore needs then but what comes lazily. Resolves with that of the chain. Throws as above. */
export async function stageChainInto(
  { imagesDir, named, signal }: ToStage,
  to: { readonly fd: Fd; readonly path: string },
): Promise<Fd> {
  const chain = await openDirectory(imagesDir);
  try {
    await copySmallImages(imagesDir, to.path);
    const { fault } = await stageChain(chain, await lazyRanges(imagesDir), { to: to.fd, signal }).done;
    if (fault !== undefined) throw imageError('restore', named, fault);
    return chain;
  } catch (error) {
    chain.close();
    throw error;
  }
}
