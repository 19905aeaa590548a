// A chain as the one level that CRIU restores from while the rest comes lazily.

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
  { imagesDir, named = imagesDir }: RestorePlan,
  signal: AbortSignal,
): Promise<StagedChain> {
  await using opened = new Held();
  const small = opened.use(await openSmall());
  opened.defer(() => small.remove());
  const chain = opened.use(await openDirectory(imagesDir));
  await copySmallImages(imagesDir, small.path);
  const { fault } = await stageChain(chain, await lazyRanges(imagesDir), { to: small.fd, signal }).done;
  if (fault !== undefined) throw imageError('restore', named, fault);
  const held = opened.move();
  return { imagesDir: small.path, pages: { chain }, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}
