// images rewrite: a checkpoint that wakes up as something else, as a new directory or only as a list of what would change.

import type { Change } from '../../../images/rewrite/draft.js';
import { rewrite } from '../../../images/rewrite/rewrite.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { rulesOf } from '../../parse/rewriting.js';
import { UsageError } from '../../usage-error.js';

const TOPIC = 'images rewrite';

export async function runRewrite({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const { terminal, preferences, interruption } = context;
  const [dir, to = '', ...surplus] = operands;
  const dryRun = settings.has('dry-run');
  const rules = rulesOf(settings);
  if (dir === undefined || surplus.length > 0 || (to === '') !== dryRun)
    throw new UsageError('images rewrite needs an images directory and a new one, or --dry-run', TOPIC);
  if (rules === undefined) throw new UsageError('images rewrite needs at least one --as-... flag', TOPIC);
  const report = await rewrite(dir, { to, rules }, { dryRun, signal: interruption.signal }).catch(asUsage);
  if (preferences.json) terminal.printJson(report);
  else if (!preferences.quiet) for (const change of report.changes) terminal.print(changeLine(change));
  return EXIT.done;
}

function changeLine({ file, entry, field, old, new: now }: Change): string {
  return `${file}: ${entry}: ${field}: ${old} -> ${now}`;
}

// Rules that make no sense are misuse for the library, and a mistake on the command line.
function asUsage(error: unknown): never {
  throw error instanceof RangeError ? new UsageError(error.message, TOPIC, { cause: error }) : error;
}
