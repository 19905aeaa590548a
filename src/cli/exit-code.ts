// 0 done, 1 failed, 2 usage, 3 environment, 130 aborted. CRIU says 1 for everything that is not done, so a script that tests for
// "not 0" is right with both; docs/adr/0005 has the comparison.

import type { ErrorCode } from '../errors/checkpoint-error.js';

export const EXIT = { done: 0, failed: 1, usage: 2, environment: 3, aborted: 130 } as const;

/** What the user must change on the host before trying again. */
const ENVIRONMENT: ReadonlySet<ErrorCode> = new Set([
  'CRIU_MISSING',
  'CRIU_TOO_OLD',
  'LIBCRIU_MISSING',
  'ADDON_MISSING',
  'RUNTIME_MISSING',
  'FEATURE_MISSING',
]);

export function exitCodeOf(code: ErrorCode): number {
  if (code === 'ABORTED') return EXIT.aborted;
  return ENVIRONMENT.has(code) ? EXIT.environment : EXIT.failed;
}
