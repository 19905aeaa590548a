// A restore of a checkpoint that is rewritten on the way: from a level above it that is gone afterwards.

import { rewriteAbove } from '../images/rewrite/rewrite.js';
import type { RewriteRules } from '../images/rewrite/rules.js';
import { type Run, restoreChain } from './restore-chain.js';
import type { Tree } from './tree.js';

/** As restoreChain(); logs and statistics lie beside the checkpoint, as without. Rejects with REWRITE_REFUSED, too. */
export function rewriting(rules: RewriteRules): Run<Tree> {
  return async (plan, work) => {
    const { imagesDir, named = imagesDir, options } = plan;
    await using level = await rewriteAbove({ imagesDir, named }, rules);
    const workDir = options.workDir ?? imagesDir;
    return await restoreChain({ ...plan, named, imagesDir: level.path, options: { ...options, workDir } }, work);
  };
}
