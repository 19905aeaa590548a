// Asking the caller about a notification, without waiting for a caller whose verdict nobody wants any more: after an abort, and after
// CRIU's death.

import type { ExchangeOptions, Notification, Notify, Verdict } from './session.js';

export interface Asked {
  readonly verdict: Verdict;
  readonly thrown?: { readonly error: unknown };
  /** CRIU ended first: nobody hears the verdict, and nobody refused. */
  readonly gone?: true;
}

const PROCEED: Verdict = { kind: 'proceed' };
const REFUSE: Verdict = { kind: 'refuse' };

export interface Asking {
  readonly notify: ExchangeOptions['notify'];
  readonly signal: AbortSignal | undefined;
  /** Resolves when CRIU has ended. */
  readonly gone: Promise<unknown>;
}

/** Never rejects: what `notify` throws comes back beside a refusal. An orphan's fd that nobody takes is closed here. */
export async function askCaller(notification: Notification, { notify, signal, gone }: Asking): Promise<Asked> {
  if (signal?.aborted === true || notify === undefined) {
    if (notification.kind === 'orphan-pts-master') notification.fd.close();
    return { verdict: signal?.aborted === true ? REFUSE : PROCEED };
  }
  const held = new AbortController();
  const interrupted = interruption(held, { signal, gone });
  try {
    return await Promise.race([verdictOf(notify, notification, held.signal), interrupted.asked]);
  } finally {
    interrupted.forget();
  }
}

async function verdictOf(notify: Notify, notification: Notification, signal: AbortSignal): Promise<Asked> {
  try {
    return { verdict: await notify(notification, { signal }) };
  } catch (error) {
    return { verdict: REFUSE, thrown: { error } };
  }
}

type Interruption = { readonly asked: Promise<Asked>; forget(): void };

/** Resolves, and aborts `held`, at whatever comes first; never after `forget`. */
function interruption(held: AbortController, { signal, gone }: Omit<Asking, 'notify'>): Interruption {
  let end = (_reason: unknown, _asked: Asked): void => {};
  const asked = new Promise<Asked>((resolve) => {
    end = (reason, outcome) => {
      held.abort(reason);
      resolve(outcome);
    };
  });
  const aborted = (): void => end(signal?.reason, { verdict: REFUSE });
  signal?.addEventListener('abort', aborted, { once: true });
  void gone.then(() => end(new Error('CRIU has ended'), { verdict: REFUSE, gone: true }));
  const forget = (): void => {
    signal?.removeEventListener('abort', aborted);
    end = () => {};
  };
  return { asked, forget };
}
