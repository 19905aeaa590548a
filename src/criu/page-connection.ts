// A CRIU that waits for a dump request, with its end of a page socket. Started before the memory for the pages is prepared, which takes
// longer: the program is loaded meanwhile. It touches nothing before it is asked, and ends when the session does.

import type { Fd } from '../addon/fd.js';
import { streamPair } from '../addon/sockets.js';
import { Held } from '../images/held.js';
import { openDirectory } from '../images/staging.js';
import type { EncodedOptions } from '../options/request.js';
import { writeConfigFile } from '../rpc/config-file.js';
import type { Session } from '../rpc/session.js';
import { openSwrk } from '../rpc/swrk.js';

/** The number of CRIU's end of the page socket, inside CRIU. */
export const PAGES_FD = 9;
// So much may be on its way: CRIU collects two chunks of 8 MiB while the copying threads are busy, instead of waiting for them.
// Measured on two processors, 1 GiB: with the default of 208 KiB the tree was frozen 0.34 s, with this 0.26 s.
export const SOCKET_BYTES = 64 * 2 ** 20;

export interface PageConnection extends AsyncDisposable {
  readonly session: Session;
  /** Our end; a sink that serves it consumes it. */
  readonly pages: Fd;
  readonly encoded: EncodedOptions;
  /** Path of the private configuration file, for the request. */
  readonly config: string | undefined;
}

export interface PageConnecting {
  readonly criu: string;
  readonly workDir: string;
  /** Where CRIU writes the small images; lent. */
  readonly images: Fd;
  readonly encode: (own: { readonly images_dir_fd: number; readonly work_dir_fd: number }) => EncodedOptions;
}

/** Throws CRIU_MISSING, and IO. Disposing waits for CRIU's end. */
export async function connectPages({ criu, workDir, images, encode }: PageConnecting): Promise<PageConnection> {
  await using opened = new Held();
  const work = opened.use(await openDirectory(workDir));
  const encoded = encode({ images_dir_fd: images.number, work_dir_fd: work.number });
  const config = await writeConfigFile(encoded);
  opened.defer(async () => config[Symbol.asyncDispose]());
  const [ours, theirs] = streamPair({ bufferBytes: SOCKET_BYTES });
  opened.use(ours);
  // CRIU's end of it shows as end-of-file only when nobody else holds that end.
  using _theirs = theirs;
  const { defaultConfig } = encoded;
  const session = openSwrk({ criu, inherit: [{ fd: theirs, as: PAGES_FD }], defaultConfig, keepAnswers: true });
  opened.defer(() => session[Symbol.asyncDispose]());
  const held = opened.move();
  return {
    session,
    pages: ours,
    encoded,
    config: config.path,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}
