// A refusal of CRIU as the error that callers catch: the sentence names what was wanted, what stood in the way, where the log
// says so and what to do; the detail carries all causes.

import { CheckpointError, type RefusedDetail } from './checkpoint-error.js';
import type { Diagnosis } from './diagnosis.js';
import { explain } from './explain.js';

/** What a refused verb knows. `log` is the text of CRIU's log, empty when it wrote none. */
export interface Refusal {
  readonly pid?: number | undefined;
  readonly imagesDir?: string | undefined;
  readonly log: string;
  readonly logFile?: string | undefined;
  /** What CRIU printed: errors in options appear only there. */
  readonly stderr?: string | undefined;
  readonly answer?: { readonly errno?: number | undefined; readonly message?: string | undefined } | undefined;
  readonly cause?: unknown;
}

export type RefusedVerb = 'dump' | 'pre-dump' | 'restore';

/**
 * The error of a refused dump, pre-dump or restore: DUMP_REFUSED, RESTORE_REFUSED, or NO_SUCH_PROCESS when CRIU found that the
 * root of the tree is not there.
 */
export function refused(verb: RefusedVerb, refusal: Refusal): CheckpointError {
  const detail = detailOf(refusal);
  const decisive = detail.causes[0];
  const { pid } = refusal;
  if (decisive?.rule === 'no-such-process' && pid !== undefined && decisive.pid === pid) {
    return new CheckpointError(
      'NO_SUCH_PROCESS',
      `Cannot ${verb} process ${pid}: it does not exist`,
      { pid },
      causeOf(refusal),
    );
  }
  const object =
    verb === 'restore' ? `"${refusal.imagesDir ?? 'the images directory'}"` : `process ${pid ?? 'unknown'}`;
  const code = verb === 'restore' ? 'RESTORE_REFUSED' : 'DUMP_REFUSED';
  return new CheckpointError(code, sentence(`Cannot ${verb} ${object}`, decisive, refusal), detail, causeOf(refusal));
}

/** The error of any other request that CRIU refused; `request` is its RPC name. */
export function requestRefused(request: string, refusal: Refusal): CheckpointError<'REQUEST_REFUSED'> {
  const detail = { ...detailOf(refusal), request };
  const message = sentence(`Cannot serve the request ${request}`, detail.causes[0], refusal);
  return new CheckpointError('REQUEST_REFUSED', message, detail, causeOf(refusal));
}

function detailOf(refusal: Refusal): RefusedDetail {
  const { pid, imagesDir, logFile, log, stderr, answer } = refusal;
  const { causes, excerpt } = explain(log, { stderr, criuMessage: answer?.message });
  return {
    ...(pid === undefined ? {} : { pid }),
    ...(imagesDir === undefined ? {} : { imagesDir }),
    ...(logFile === undefined ? {} : { logFile }),
    causes,
    ...(answer?.errno === undefined ? {} : { errno: answer.errno }),
    ...(answer?.message === undefined ? {} : { criuMessage: answer.message.trim() }),
    logExcerpt: excerpt,
  };
}

function sentence(what: string, decisive: Diagnosis | undefined, { logFile, log, stderr }: Refusal): string {
  if (decisive === undefined) {
    const said = log.trim() === '' ? lastLine(stderr) : undefined;
    if (said !== undefined) return `${what}: CRIU printed "${said}"`;
    return `${what}: CRIU refused without a reason${logFile === undefined ? '' : ` (${logFile})`}`;
  }
  const where = decisive.line === 0 ? 'printed by CRIU' : `${logFile ?? 'log'}:${decisive.line}`;
  const remedy = decisive.remedy === undefined ? '' : `. ${decisive.remedy}`;
  return `${what}: ${decisive.reason} (${where})${remedy}`;
}

function lastLine(text: string | undefined): string | undefined {
  return text
    ?.trim()
    .split('\n')
    .findLast((line) => line.trim() !== '');
}

function causeOf({ cause }: Refusal): { cause?: unknown } {
  return cause === undefined ? {} : { cause };
}
