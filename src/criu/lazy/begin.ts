// What a lazy restore needs beside an ordinary one: the service, and a working directory for CRIU that nobody else has, because CRIU
// looks for lazy-pages.socket in there, by that name. It is a tmpfs without a name; what CRIU logs in it is copied to the caller's.

import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import { Held } from '../../images/held.js';
import type { LazyPagesIn } from '../../images/lazy-pages-in.js';
import { openSmall } from '../../images/small-images.js';
import { keepingAlive } from '../keeping-alive.js';
import { lazyFailed, type PagesOf } from './failed.js';
import { fillingOf, nowNs } from './filling.js';
import type { Filling, LazyOptions } from './options.js';
import { type LazyService, startLazyService } from './service.js';

export interface BegunLazily extends AsyncDisposable {
  /** For `work_dir_fd`. */
  readonly workDir: Fd;
  /** Brings CRIU's files over, such as its log. What is not there is not brought. */
  keep(names: readonly string[]): Promise<void>;
  /** CRIU has made all tasks, and holds them: what they lack may come. */
  begin(): void;
  /** The tree runs: the service is on its own from now on. */
  handOver(): Filling;
  /** Aborted when the server has failed and killed what CRIU had made: CRIU may then wait for it for ever. */
  readonly lost: AbortSignal;
  /** Why CRIU had to give up, if the service knows better than CRIU. */
  failure(): Promise<unknown>;
}

export interface LazyRequest {
  readonly options: LazyOptions;
  readonly images: Fd;
  /** For messages. */
  readonly imagesDir: string;
  readonly pages: LazyPagesIn | undefined;
  readonly workDir: string;
  /**
   * Empty, for CRIU to work in. Default: a tmpfs without a name, in which CRIU cannot mount anything, as it does for the cgroups of a
   * container.
   */
  readonly place?: WorkPlace;
  /** Default: 1. */
  readonly trees?: number;
  /** CLOCK_MONOTONIC in nanoseconds: when restore() was called. */
  readonly asked: number;
}

/** Lent. */
export interface WorkPlace {
  readonly fd: Fd;
  readonly path: string;
}

// How long a service that has failed may take to kill what CRIU had made.
const VERDICT_MS = 5_000;

/** Disposing without handOver() ends the service. Throws IO, ADDON_MISSING or LAZY_FAILED. */
export async function beginLazily({
  options,
  images,
  imagesDir,
  pages,
  workDir,
  place,
  trees,
  asked,
}: LazyRequest): Promise<BegunLazily> {
  await using opened = new Held();
  const small = place ?? (await openNameless(opened));
  const of: PagesOf = { imagesDir, options, left: pages !== undefined && 'peer' in pages };
  const service = await startLazyService({ ...of, images, pages, socketDir: small.fd, workDir, trees });
  const held = opened.move();
  let handedOver = false;
  const lost = new AbortController();
  service.verdict.then(
    ({ event }) => {
      if (event === 'failed') lost.abort(new Error('the server of the pages has failed'));
    },
    () => {},
  );
  return {
    workDir: small.fd,
    keep: async (names) => {
      // As far as CRIU came.
      await Promise.all(names.map((name) => copyFile(join(small.path, name), join(workDir, name)).catch(() => {})));
    },
    begin: () => service.begin(),
    handOver: () => {
      handedOver = true;
      return fillingOf(service, of, { asked, running: nowNs() });
    },
    lost: lost.signal,
    failure: () => failureOf(service, of),
    [Symbol.asyncDispose]: async () => {
      if (!handedOver) {
        service.abort();
        await keepingAlive(service.verdict).catch(() => {});
      }
      await held[Symbol.asyncDispose]();
    },
  };
}

async function openNameless(opened: Held): Promise<WorkPlace> {
  const small = opened.use(await openSmall());
  opened.defer(() => small.remove());
  return small;
}

async function failureOf(service: LazyService, of: PagesOf): Promise<unknown> {
  const timeout = new Promise<undefined>((resolve) => {
    setTimeout(resolve, VERDICT_MS, undefined);
  });
  const message = await Promise.race([service.verdict, timeout]);
  return message?.event === 'failed' ? lazyFailed(message, of) : undefined;
}
