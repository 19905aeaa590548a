// An archive through a pipe: the kernel holds the writer back when nobody reads.

import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { pipe } from '../../addon/files.js';
import type { Operation } from '../../criu/operation.js';
import type { CreateProgress, CreateReport } from './create.js';

/** For archiveStream(). */
export function throughPipe(create: (to: { readonly fd: number }) => Operation<CreateProgress, CreateReport>): {
  readonly stream: Readable;
  readonly done: Promise<CreateReport>;
} {
  const { read, write } = pipe();
  const number = write.number;
  try {
    const run = create({ fd: number });
    const stream = new Socket({ fd: read.take(), readable: true, writable: false });
    const done = run.done.finally(() => write.close());
    // Heard before the end of the pipe is: so a reader is never told that half an archive is all.
    run.done.catch((reason: unknown) => stream.destroy(reason instanceof Error ? reason : new Error(String(reason))));
    done.catch(() => {});
    return { stream, done };
  } catch (reason) {
    read.close();
    write.close();
    throw reason;
  }
}
