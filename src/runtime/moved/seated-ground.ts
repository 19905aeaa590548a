// What the final dump of a container stands on: the CRIU that its runtime has started, with the runtime's own request.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fd } from '../../addon/fd.js';
import { streamPair } from '../../addon/sockets.js';
import { PAGES_FD, SOCKET_BYTES } from '../../criu/page-connection.js';
import { Held } from '../../images/held.js';
import { openSmall } from '../../images/small-images.js';
import type { OpenGround } from '../../migrate/source/ground.js';
import type { CriuOpts } from '../../schema/rpc.js';
import { type SeatedRequest, takeSeat } from '../seat/seated-request.js';
import type { SeatedSession } from '../seat/seated-session.js';

export interface SeatedGround extends OpenGround {
  readonly session: SeatedSession;
}

/** Lets CRIU take the seat. Rejects with IO. Disposing ends the conversation and takes the images away. */
export async function openSeatedGround(asked: SeatedRequest, opts: CriuOpts): Promise<SeatedGround> {
  // Where images go is Frazil's affair.
  const { images_dir_fd: _images, work_dir_fd: _work, parent_img: _parent, ...wanted } = opts;
  await using opened = new Held();
  const images = opened.use(await openSmall());
  opened.defer(() => images.remove());
  const [ours, theirs] = streamPair({ bufferBytes: SOCKET_BYTES });
  opened.use(ours);
  using _theirs = theirs;
  const session = takeSeat(asked, [{ fd: theirs, as: PAGES_FD }]);
  opened.defer(() => session[Symbol.asyncDispose]());
  const held = opened.move();
  return {
    session,
    pages: () => Fd.duplicate(ours.number),
    async folder(number) {
      const path = join(images.path, String(number));
      await mkdir(path, { mode: 0o700 });
      return path;
    },
    below: async () => undefined,
    opts: () => ({ ...wanted, ps: { fd: PAGES_FD } }),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}
