// The entry `frazil/session`: a conversation with CRIU below the verbs, for those who need a request that no verb makes.

export type { Fd } from './addon/fd.js';
export { type LibcriuOptions, openLibcriu } from './rpc/libcriu.js';
export type { Answer, ExchangeOptions, Notification, Request, Session, Verdict } from './rpc/session.js';
export { openSwrk, type SwrkOptions } from './rpc/swrk.js';
