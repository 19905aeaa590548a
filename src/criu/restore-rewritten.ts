// A restore of a checkpoint that is rewritten on the way: from a level above it that is gone afterwards.

import { rewriteAbove } from '../images/rewrite/rewrite.js';
import type { RewriteRules } from '../images/rewrite/rules.js';
import type { Work } from './operation.js';
import { restoreChain } from './restore-chain.js';
import type { RestorePlan, RestoreProgress } from './restore-plan.js';
import type { Tree } from './tree.js';

/** As runRestore(); logs and statistics lie beside the checkpoint, as without. Rejects with REWRITE_REFUSED, too. */
export async function restoreRewritten(
  plan: RestorePlan,
  rules: RewriteRules,
  work: Work<RestoreProgress>,
): Promise<Tree> {
  await using level = await rewriteAbove(plan.imagesDir, rules);
  const workDir = plan.options.workDir ?? plan.imagesDir;
  return await restoreChain({ ...plan, imagesDir: level.path, options: { ...plan.options, workDir } }, work);
}
