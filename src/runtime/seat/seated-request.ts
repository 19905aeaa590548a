// A request of a runtime that Frazil carries out itself: the conversation with the CRIU that has taken the seat, and the answer to the
// runtime.

import { send, seqpacketPair, streamPair } from '../../addon/sockets.js';
import { PAGES_FD, type PageConnecting, type PageConnection, SOCKET_BYTES } from '../../criu/page-connection.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import type { CriuOpts, CriuRequest, CriuResponse } from '../../schema/rpc.js';
import { encodeResponse } from '../../schema/rpc-codec.js';
import type { Seated } from './seat.js';
import { SeatedSession } from './seated-session.js';

export interface SeatedRequest {
  readonly seated: Seated;
  readonly request: CriuRequest & { readonly opts: CriuOpts };
  /** Path of the real CRIU. */
  readonly criu: string;
}

export interface SeatedConnection extends PageConnection {
  readonly session: SeatedSession;
}

/** For a dump, with the page socket. CRIU becomes what the runtime has started when everything that it is given is there. */
export async function connectSeated(
  asked: SeatedRequest,
  opts: CriuOpts,
  { workDir, images }: Pick<PageConnecting, 'workDir' | 'images'>,
): Promise<SeatedConnection> {
  await using opened = new Held();
  const work = opened.use(await openDirectory(workDir));
  const [pages, theirPages] = streamPair({ bufferBytes: SOCKET_BYTES });
  opened.use(pages);
  using _theirPages = theirPages;
  const session = takeSeat(asked, [{ fd: theirPages, as: PAGES_FD }]);
  opened.defer(() => session[Symbol.asyncDispose]());
  const own = { images_dir_fd: images.number, work_dir_fd: work.number };
  const held = opened.move();
  return {
    session,
    pages,
    encoded: { opts: { ...opts, ...own }, configLines: [], defaultConfig: true },
    config: opts.config_file,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** Lets CRIU take the seat, with these fds besides its control socket. The session is the caller's to dispose. */
export function takeSeat(
  { seated, request, criu }: SeatedRequest,
  more: Parameters<Seated['become']>[0],
): SeatedSession {
  const [control, theirs] = seqpacketPair();
  using _theirs = theirs;
  try {
    // The runtime's number, unless another fd needs it: then any will do, as CRIU is told it in its arguments.
    const at = more.some(({ as }) => as === seated.control) ? seated.control + 1 : seated.control;
    seated.become([{ fd: theirs, as: at }, ...more]);
  } catch (error) {
    control.close();
    throw error;
  }
  const { runtime, pid } = seated;
  return new SeatedSession({ criu, pid, control, runtime, notified: request.opts.notify_scripts === true });
}

/** In the runtime's words: it has asked for PRE_DUMP, we for SINGLE_PRE_DUMP. One that has gone hears nothing. */
export function answer({ seated, request }: SeatedRequest, response: CriuResponse): void {
  try {
    send(seated.runtime, encodeResponse({ ...response, type: request.type }));
  } catch (error) {
    if (!CheckpointError.is(error, 'IO')) throw error;
  }
}

const EIO = 5;

/** What a runtime is told when CRIU has not said it. */
export function failed({ type }: CriuRequest, error: unknown): CriuResponse {
  const message = error instanceof Error ? `frazil: ${error.message}` : 'frazil: CRIU has given no answer';
  return { type, success: false, cr_errno: EIO, cr_errmsg: message };
}
