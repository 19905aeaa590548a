// The session over libcriu, for hosts that must go through the system's own library. Same protocol, same answers, less of it:
//
//   * libcriu does one request per connection, so every exchange starts a CRIU of its own, which we start and it talks to.
//   * VERSION, FEATURE_CHECK, CHECK, DUMP, SINGLE_PRE_DUMP and RESTORE only. It has no CPUINFO, no page server, and its
//     PRE_DUMP loop cannot change the options between iterations.
//   * It never tells cr_errmsg, prints to our standard error when a connection breaks, and hangs up right after a refusal
//     instead of hearing CRIU out: what CRIU made of the refusal is then its exit.
//   * Its statics allow one call at a time per process; further ones wait their turn.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { LibcriuCall, LibcriuOutcome } from '../addon/libcriu.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { writeConfigFile } from './config-file.js';
import { abortedError, expectServed } from './failure.js';
import { assertConfigFile, assertMemTrack, assertSendable, needsMemTrack } from './guard.js';
import { type Ending, libcriuAnswer } from './libcriu-answer.js';
import { conversation, type Talk, unavailable } from './libcriu-conversation.js';
import { routeOpts } from './libcriu-setters.js';
import type { Answer, CriuVersion, ExchangeOptions, ExitStatus, Request, RequestKind, Session } from './session.js';
import { SwrkChild, type SwrkOptions } from './swrk-child.js';
import { watchAbort } from './watch-abort.js';

export interface LibcriuOptions extends SwrkOptions {
  /** Path of libcriu.so.2. Default: FRAZIL_LIBCRIU, then $FRAZIL_HOME/libcriu/libcriu.so.2, then what the dynamic loader finds. */
  readonly library?: string;
}

/**
 * Loads libcriu and asks CRIU's version through it. Throws LIBCRIU_MISSING when it cannot be loaded, CRIU_MISSING, CRIU_DIED.
 */
export async function openLibcriu(options: LibcriuOptions): Promise<Session> {
  const session = new LibcriuSession(options);
  await session.learnVersion();
  return session;
}

type Entry = LibcriuCall['symbol'];
const ENTRIES: Partial<Record<RequestKind, Entry>> = {
  VERSION: 'criu_local_get_version',
  FEATURE_CHECK: 'criu_local_feature_check',
  CHECK: 'criu_local_check',
  DUMP: 'criu_local_dump',
  SINGLE_PRE_DUMP: 'criu_local_pre_dump',
  RESTORE: 'criu_local_restore',
};

let turn: Promise<unknown> = Promise.resolve();

/** One after the other: libcriu's statics. */
async function inTurn<T>(run: () => Promise<T>): Promise<T> {
  const mine = turn.then(run, run);
  turn = mine.catch(() => undefined);
  return mine;
}

class LibcriuSession implements Session {
  readonly kind = 'libcriu';
  readonly criu: { readonly path: string };
  readonly #options: LibcriuOptions;
  readonly #library: string;
  #version: CriuVersion | undefined;
  #printed = { stdout: '', stderr: '' };
  #running: { readonly ended: AbortController; readonly done: Promise<unknown> } | undefined;
  #disposed = false;

  constructor(options: LibcriuOptions) {
    this.criu = { path: options.criu };
    this.#options = options;
    this.#library = libraryPath(options.library);
  }

  stdout(): string {
    return this.#printed.stdout;
  }

  stderr(): string {
    return this.#printed.stderr;
  }

  async learnVersion(): Promise<void> {
    const answer = await this.exchange({ kind: 'VERSION' });
    this.#version = expectServed(answer, { request: 'VERSION' }).version;
  }

  async exchange<R extends Request>(request: R, options: ExchangeOptions = {}): Promise<Answer<R['kind']>> {
    const { kind } = request;
    if (options.signal?.aborted === true) throw abortedError({ request: kind, signal: options.signal });
    assertSendable(request);
    this.#assertOffered(request);
    if (this.#disposed) throw new RangeError(`Cannot send ${kind}: the session is disposed`);
    if (this.#running !== undefined)
      throw new RangeError(`Cannot send ${kind}: the session takes one request at a time`);
    const ended = new AbortController();
    const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
    const done = this.#run<R['kind']>(request, { ...options, signal });
    this.#running = { ended, done };
    try {
      const answer = await done;
      if (ended.signal.aborted)
        throw new CheckpointError('ABORTED', `Cannot finish ${kind}: the session was disposed`, {});
      return answer;
    } finally {
      this.#running = undefined;
    }
  }

  #assertOffered(request: Request): void {
    if (ENTRIES[request.kind] === undefined) throw unavailable(request.kind, 'libcriu has no call for it');
    if ('keepOpen' in request && request.keepOpen === true) return; // every exchange is on a connection of its own anyway
    if (request.kind !== 'CHECK' || this.#version === undefined) return;
    const { major, minor } = this.#version;
    if (major < 4 || (major === 4 && minor < 2))
      throw unavailable('CHECK', `libcriu sends it without options, which crashes CRIU ${major}.${minor}`);
  }

  async #run<K extends RequestKind>(request: Request, options: ExchangeOptions): Promise<Answer<K>> {
    await assertConfigFile(request);
    if (needsMemTrack(request)) {
      const asked = await this.#converse<'FEATURE_CHECK'>({ kind: 'FEATURE_CHECK', features: ['mem_track'] }, {});
      assertMemTrack(request, expectServed(asked, { request: 'FEATURE_CHECK' }).features);
    }
    return this.#converse<K>(request, options);
  }

  async #converse<K extends RequestKind>(request: Request, options: ExchangeOptions): Promise<Answer<K>> {
    const opts = 'opts' in request ? request.opts : undefined;
    const { setters, configLines } =
      opts === undefined ? { setters: [], configLines: [] } : routeOpts(withTracking(request));
    const given = opts?.config_file;
    await using config = await writeConfigFile({ configLines, ...(given === undefined ? {} : { config: given }) });
    const call: LibcriuCall = {
      library: this.#library,
      symbol: ENTRIES[request.kind] ?? '',
      setters: [...setters, ...(config.path === undefined ? [] : [configSetter(config.path)])],
      ...(request.kind === 'FEATURE_CHECK' ? { features: wanted(request.features) } : {}),
    };
    return await inTurn(() => this.#call<K>(request, call, options));
  }

  async #call<K extends RequestKind>(
    request: Request,
    call: LibcriuCall,
    options: ExchangeOptions,
  ): Promise<Answer<K>> {
    const { signal } = options;
    if (signal?.aborted === true) throw abortedError({ request: request.kind, signal });
    const child = new SwrkChild(this.#options);
    const unwatch = watchAbort(request.kind, options, () => child.terminate());
    try {
      const talk = await conversation(call, child, options);
      this.#assertCalled(talk.outcome, request.kind);
      if (becomesCommand(request, talk.outcome))
        return libcriuAnswer<K>(request.kind as K, talk.outcome, endingOf(child, talk));
      const exit = await child.exited;
      if (talk.thrown !== undefined) throw talk.thrown.error;
      return libcriuAnswer<K>(request.kind as K, talk.outcome, endingOf(child, talk, exit));
    } catch (error) {
      child.socket.close();
      await child.exited;
      throw error;
    } finally {
      unwatch();
      this.#printed = { stdout: child.stdout.text(), stderr: child.stderr.text() };
      child.close();
    }
  }

  #assertCalled(outcome: LibcriuOutcome, kind: RequestKind): void {
    switch (outcome.kind) {
      case 'returned':
        return;
      case 'no-library': {
        const message = `Cannot load libcriu: ${outcome.symbol}. Install libcriu2, or use the swrk session, which needs no library`;
        throw new CheckpointError('LIBCRIU_MISSING', message, { tried: [this.#library] });
      }
      case 'no-symbol':
        throw unavailable(kind, `this libcriu has no ${outcome.symbol}`);
      case 'setter-failed':
        throw unavailable(kind, `${outcome.symbol} of libcriu failed with ${outcome.value}`);
      case 'busy':
        throw unavailable(kind, 'another thread of this process is using libcriu, which serves one at a time');
      default:
        outcome.kind satisfies never;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#running?.ended.abort();
    // Whoever waits for the exchange gets its error.
    await this.#running?.done.catch(() => undefined);
  }
}

function endingOf(child: SwrkChild, { refusedAt }: Talk, exit?: ExitStatus): Ending {
  return {
    terminated: child.terminated,
    stderr: child.stderr.text(),
    ...(exit === undefined ? {} : { exit }),
    ...(refusedAt === undefined ? {} : { refusedAt }),
  };
}

function withTracking(request: Request): Parameters<typeof routeOpts>[0] {
  const opts = 'opts' in request ? request.opts : { images_dir_fd: -1 };
  return request.kind === 'SINGLE_PRE_DUMP' ? { ...opts, track_mem: true } : opts;
}

function configSetter(path: string): LibcriuCall['setters'][number] {
  return { symbol: 'criu_local_set_config_file', signature: '!s', arguments: [path] };
}

function wanted(features: readonly string[]): [boolean, boolean, boolean] {
  return [features.includes('mem_track'), features.includes('lazy_pages'), features.includes('pidfd_store')];
}

function becomesCommand(request: Request, { value }: LibcriuOutcome): boolean {
  return request.kind === 'RESTORE' && value > 0 && (request.opts.exec_cmd ?? []).length > 0;
}

function libraryPath(given: string | undefined): string {
  const named = given ?? process.env['FRAZIL_LIBCRIU'];
  if (named !== undefined) return named;
  const home = process.env['FRAZIL_HOME'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'frazil');
  const own = join(home, 'libcriu', 'libcriu.so.2');
  return existsSync(own) ? own : 'libcriu.so.2';
}
