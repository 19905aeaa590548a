// What a final dump leaves behind (docs/adr/0014): all of its images stay here, in the memory that they were dumped into. What CRIU restores
// itself travels at once; the rest is given out to the copy, page by page as it asks, until it says that it has all. If it comes to that, the
// images are kept in files: they are a whole checkpoint of the moment of the freeze.

import { readdir } from 'node:fs/promises';
import { Fd } from '../../addon/fd.js';
import { type FeedCounters, feedPages } from '../../addon/page-feeder.js';
import { openPageSink, type PageSink, type SinkReception } from '../../addon/page-sink.js';
import type { LeftImages, PageSender } from '../../addon/page-streams.js';
import { Held } from '../../images/held.js';
import type { LeftConnection } from '../wire/left.js';

export interface LeftBehind extends AsyncDisposable {
  /** CRIU writes into `images`, which is not borrowed; the destination is answered from now on. */
  begin(images: Fd, parent: Fd | undefined): void;
  /** Takes CRIU's pages; consumes `socket`. */
  take(socket: Fd): Taking;
  /** All pages are here: sends those that cannot stay. */
  send(sender: PageSender, signal: AbortSignal): Promise<void>;
  /** Whether pages can be had here, or all have been. */
  readonly feeding: boolean;
  given(): FeedCounters;
  /** The images, for whoever keeps them. */
  readonly images: Fd;
  /** What they need is let go of with them. */
  defer(release: () => void | Promise<void>): void;
}

export interface Taking extends AsyncDisposable {
  readonly done: Promise<SinkReception>;
  cancel(): void;
}

// As many as a dump has here: a third one would take the time of CRIU.
const WORKERS = 2;

export function openLeftBehind({ socket }: LeftConnection): LeftBehind {
  const held = new Held();
  let open: { readonly images: Fd; readonly sink: PageSink; readonly feeder: ReturnType<typeof feedPages> } | undefined;
  let feeding = false;
  const opened = (): NonNullable<typeof open> => {
    if (open === undefined) throw new RangeError('Cannot leave pages behind: no final dump has begun');
    return open;
  };
  return {
    begin(folder, parent) {
      const images = held.use(Fd.duplicate(folder.number));
      const below = parent === undefined ? {} : { parent };
      const sink = held.use(
        openPageSink({ directory: images, ...below, store: 'directory', workers: WORKERS, firstPagesId: 1 }),
      );
      const feeder = feedPages({ socket, images });
      feeding = true;
      const lose = (): void => {
        feeding = false;
      };
      feeder.done.then((failure) => failure && lose(), lose);
      held.defer(async () => {
        await feeder[Symbol.asyncDispose]();
      });
      open = { images, sink, feeder };
    },
    take: (from) => opened().sink.serve(from),
    async send(sender, signal) {
      const { images, sink } = opened();
      await sink.settle({ signal }).done;
      await sender.leave(images, await imagesIn(images), { signal }).done;
    },
    get feeding() {
      return feeding;
    },
    given: () => open?.feeder.snapshot() ?? { requests: 0, bytes: 0 },
    get images() {
      return opened().images;
    },
    defer: (release) => held.defer(release),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

const PAGEMAP = /^pagemap-(shmem-)?(\d+)\.img$/;

async function imagesIn(images: Fd): Promise<LeftImages> {
  const found = (await readdir(`/proc/self/fd/${images.number}`)).flatMap((name) => {
    const [, shmem, id] = PAGEMAP.exec(name) ?? [];
    return id === undefined ? [] : [{ shmem: shmem !== undefined, id: Number(id) }];
  });
  const ids = (shmem: boolean): number[] => found.filter((one) => one.shmem === shmem).map(({ id }) => id);
  return { tasks: ids(false), shmem: ids(true) };
}
