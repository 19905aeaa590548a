// Asking the caller about a notification, with an abort that does not wait for the caller.

import type { ExchangeOptions, Notification, Verdict } from './session.js';

export type Asked = { readonly verdict: Verdict; readonly thrown?: { readonly error: unknown } };

const PROCEED: Verdict = { kind: 'proceed' };
const REFUSE: Verdict = { kind: 'refuse' };

/** Never rejects: what `notify` throws comes back beside a refusal. An orphan's fd that nobody takes is closed here. */
export async function askCaller(notification: Notification, { notify, signal }: ExchangeOptions): Promise<Asked> {
  if (signal?.aborted === true || notify === undefined) {
    if (notification.kind === 'orphan-pts-master') notification.fd.close();
    return { verdict: signal?.aborted === true ? REFUSE : PROCEED };
  }
  const asked = Promise.resolve()
    .then(() => notify(notification))
    .then(
      (verdict): Asked => ({ verdict }),
      (error: unknown): Asked => ({ verdict: REFUSE, thrown: { error } }),
    );
  return signal === undefined ? asked : orAborted(asked, signal);
}

async function orAborted(asked: Promise<Asked>, signal: AbortSignal): Promise<Asked> {
  let refuse = (): void => {};
  const aborted = new Promise<Asked>((resolve) => {
    refuse = () => resolve({ verdict: REFUSE });
  });
  signal.addEventListener('abort', refuse, { once: true });
  try {
    return await Promise.race([asked, aborted]);
  } finally {
    signal.removeEventListener('abort', refuse);
  }
}
