// From an answer that is not "served" to the error that ends an operation. The verbs know more (log, tree, directory) and make
// DUMP_REFUSED and RESTORE_REFUSED themselves; what is left is here.

import { constants } from 'node:os';
import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Diagnosis } from '../errors/diagnosis.js';
import type { Answer, ExitStatus, HungUp, Refused, RequestKind, Served } from './session.js';

export interface Asked {
  readonly request: RequestKind;
  readonly signal?: AbortSignal | undefined;
  readonly pid?: number;
  readonly imagesDir?: string;
  /** Of a CRIU that died: what its log says, where there is one. */
  readonly logFile?: string;
  readonly causes?: readonly Diagnosis[];
  /** Of a CRIU that died: what of its work nobody could undo, as sentences. */
  readonly left?: string | undefined;
}

/**
 * The served answer, also when the signal was aborted too late to matter. Else throws ABORTED when the signal is aborted, CRIU_DIED
 * when CRIU hung up, REQUEST_REFUSED when it refused.
 */
export function expectServed<K extends RequestKind>(
  answer: Answer<K>,
  asked: Asked & { readonly request: K },
): Served<K> {
  if (isServed(answer)) return answer;
  throw failureOf(answer as Refused | HungUp, asked);
}

/** What expectServed() throws, for a caller that has looked at the answer itself. */
export function failureOf(answer: Refused | HungUp, asked: Asked): CheckpointError {
  if (asked.signal?.aborted === true) return abortedError(asked);
  return answer.kind === 'hung-up' ? criuDied(answer, asked) : requestRefused(answer, asked);
}

export function isServed<K extends RequestKind>(answer: Answer<K>): answer is Served<K> {
  return answer.kind === 'served';
}

/** ABORTED with the signal's reason as its cause. */
export function abortedError({ request, signal, pid, imagesDir }: Asked): CheckpointError<'ABORTED'> {
  const detail = { ...(pid === undefined ? {} : { pid }), ...(imagesDir === undefined ? {} : { imagesDir }) };
  return new CheckpointError('ABORTED', `Cannot finish ${request}: the caller aborted it`, detail, {
    cause: signal?.reason,
  });
}

/** CRIU_DIED with how it ended and the last line it printed. */
export function criuDied(answer: HungUp, asked: Asked): CheckpointError<'CRIU_DIED'> {
  const { request, pid, imagesDir, logFile, causes, left } = asked;
  const lines = answer.stderr.trimEnd().split('\n');
  const said = lines.at(-1) ?? '';
  const text = [
    `Cannot finish ${request}: CRIU ${endedHow(answer.exit)} without an answer`,
    ...(said === '' ? [] : [`It said "${said}"`]),
    ...(left === undefined ? [] : [left]),
  ].join('. ');
  return new CheckpointError('CRIU_DIED', text, {
    request,
    ...exitDetail(answer.exit),
    ...(pid === undefined ? {} : { pid }),
    ...(imagesDir === undefined ? {} : { imagesDir }),
    ...(logFile === undefined ? {} : { logFile }),
    ...(causes === undefined ? {} : { causes }),
    ...(answer.stderr === '' ? {} : { stderr: answer.stderr }),
  });
}

function requestRefused(answer: Refused, { request, pid, imagesDir }: Asked): CheckpointError<'REQUEST_REFUSED'> {
  const why =
    answer.refusedAt === undefined
      ? (answer.message ?? errnoText(answer.errno))
      : `it was refused at ${answer.refusedAt}`;
  return new CheckpointError('REQUEST_REFUSED', `Cannot finish ${request}: ${why}`, {
    request,
    causes: [],
    logExcerpt: [],
    ...(pid === undefined ? {} : { pid }),
    ...(imagesDir === undefined ? {} : { imagesDir }),
    ...(answer.errno === undefined ? {} : { errno: answer.errno }),
    ...(answer.message === undefined ? {} : { criuMessage: answer.message }),
  });
}

function errnoText(errno: number | undefined): string {
  return errno === undefined ? 'CRIU refused it without a reason' : `CRIU refused it with errno ${errno}`;
}

function endedHow(exit: ExitStatus | undefined): string {
  if (exit === undefined) return 'hung up';
  return exit.kind === 'exited' ? `exited with ${exit.code}` : `was killed by ${signalName(exit.signal)}`;
}

function exitDetail(exit: ExitStatus | undefined): { readonly exitCode?: number; readonly signal?: string } {
  if (exit === undefined) return {};
  return exit.kind === 'exited' ? { exitCode: exit.code } : { signal: signalName(exit.signal) };
}

function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `signal ${number}`;
}
