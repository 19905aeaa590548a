// What a dump at the source stands on: a CRIU with its page socket, and a folder in memory for images. The final dump has one of its own, or
// that of the pre-dumps before it.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fd } from '../../addon/fd.js';
import { streamPair } from '../../addon/sockets.js';
import { Held } from '../../images/held.js';
import { openSmall } from '../../images/small-images.js';
import { openDirectory } from '../../images/staging.js';
import type { Session } from '../../rpc/session.js';
import { openSwrk } from '../../rpc/swrk.js';
import type { CriuOpts } from '../../schema/rpc.js';

export interface Ground {
  readonly session: Session;
  /** A duplicate of our end of the page socket; CRIU's end outlives each conversation. */
  pages(): Fd;
  /** Makes the folder of level `number`. */
  folder(number: number): Promise<string>;
  /** What is in the folder below level `number`, when there is one. */
  below(number: number): Promise<Fd | undefined>;
  /** What a request needs to know of it. */
  opts(number: number): Partial<CriuOpts>;
}

export interface OpenGround extends Ground, AsyncDisposable {}

export interface GroundPlan {
  /** Path of the program. */
  readonly criu: string;
  readonly defaultConfig: boolean;
  /** Of the first level that is dumped on it; the ones before have nothing here. */
  readonly first: number;
  /** Of every request. */
  readonly opts: Partial<CriuOpts>;
}

const PAGES_FD = 9;
// As in src/criu/capture.ts, where it was measured.
const SOCKET_BYTES = 64 * 2 ** 20;

/** Throws CRIU_MISSING or IO. Disposing ends CRIU and takes the images away. */
export async function openGround({ criu, defaultConfig, first, opts }: GroundPlan): Promise<OpenGround> {
  await using opened = new Held();
  const images = opened.use(await openSmall());
  opened.defer(() => images.remove());
  const [ours, theirs] = streamPair({ bufferBytes: SOCKET_BYTES });
  opened.use(ours);
  const session = openChild(criu, theirs, defaultConfig);
  opened.defer(() => session[Symbol.asyncDispose]());
  const held = opened.move();
  const pathOf = (number: number): string => join(images.path, String(number));
  return {
    session,
    pages: () => Fd.duplicate(ours.number),
    async folder(number) {
      await mkdir(pathOf(number), { mode: 0o700 });
      return pathOf(number);
    },
    below: async (number) => (number === first ? undefined : openDirectory(pathOf(number - 1), 'itself')),
    opts: (number) => ({
      ...opts,
      ps: { fd: PAGES_FD },
      ...(number === first ? {} : { parent_img: `../${number - 1}` }),
    }),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function openChild(criu: string, pages: Fd, defaultConfig: boolean): ReturnType<typeof openSwrk> {
  try {
    return openSwrk({ criu, inherit: [{ fd: pages, as: PAGES_FD }], defaultConfig, keepAnswers: true });
  } finally {
    // CRIU's end of it shows as end-of-file only when nobody else holds that end.
    pages.close();
  }
}
