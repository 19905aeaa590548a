// What an abort does besides refusing the next notification.

import type { ExchangeOptions, RequestKind } from './session.js';

/** Requests during which no task is stopped or half made, so that CRIU may simply be killed. */
const KILLABLE: ReadonlySet<RequestKind> = new Set<RequestKind>([
  'VERSION',
  'FEATURE_CHECK',
  'CHECK',
  'CPUINFO_DUMP',
  'CPUINFO_CHECK',
  'PAGE_SERVER',
  'PAGE_SERVER_CHLD',
  'WAIT_PID',
]);

export function isKillable(kind: RequestKind): boolean {
  return KILLABLE.has(kind);
}

/** Calls `terminate` when the signal is aborted and the request allows it, or its grace is over. Returns how to stop watching. */
export function watchAbort(kind: RequestKind, { signal, graceMs }: ExchangeOptions, terminate: () => void): () => void {
  if (signal === undefined) return () => {};
  let timer: NodeJS.Timeout | undefined;
  const abort = (): void => {
    if (isKillable(kind)) terminate();
    else if (graceMs !== undefined) timer = setTimeout(terminate, graceMs);
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return () => {
    signal.removeEventListener('abort', abort);
    clearTimeout(timer);
  };
}
