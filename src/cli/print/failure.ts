// An error as a person reads it: the sentence, the lines of CRIU's log that decided it, and where the rest is.

import type { CheckpointError, RefusedDetail } from '../../errors/checkpoint-error.js';

const INDENT = '    ';

/** Lines for stderr. The remedy is in the message already. */
export function failureLines(error: CheckpointError): readonly string[] {
  const { detail } = error;
  const excerpt = isRefused(detail) ? detail.logExcerpt.map((line) => `${INDENT}${line}`) : [];
  const log = isRefused(detail) && detail.logFile !== undefined ? [`The whole log is in ${detail.logFile}`] : [];
  return [`frazil: ${error.message}`, ...excerpt, ...log];
}

function isRefused(detail: object): detail is RefusedDetail {
  return 'logExcerpt' in detail;
}

/** What --json prints for an error: the same three keys for every code. */
export function failureJson(error: CheckpointError): object {
  return { code: error.code, message: error.message, detail: error.detail };
}
