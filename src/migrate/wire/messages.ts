// What the two ends of a migration say to each other on the control stream. Each message is one JSON object, some with bytes behind it
// (channel.ts has the framing). The peer is not trusted: every field is checked here, once (fields.ts).

import type { PageCodec } from '../../addon/page-streams.js';
import { CheckpointError, ERROR_CODES, type ErrorCode } from '../../errors/checkpoint-error.js';
import { MAX_STREAMS } from './address.js';
import { type MovedContainer, parseMovedContainer, parseTreePiece, type TreePiece } from './container-messages.js';
import { type HostFacts, parseHostFacts } from './facts.js';
import { duration, type Fields, fieldsOf, hex, MAX_TEXT, rate, text, unexpected, whole } from './fields.js';

/** In the order of preference. */
export const PAGE_CODECS: readonly PageCodec[] = ['lz4', 'zstd'];
/** Both ends speak this version or none. */
export const PROTOCOL_VERSION = 5;

/** What a restore needs to be told that a dump was told. */
export interface RestoreNeeds {
  readonly tcpEstablished: boolean;
  readonly fileLocks: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  /** Of a container: its descriptors.json, which a runtime reads before it starts CRIU. */
  readonly descriptors: string | undefined;
}

export type Hello = Extract<ToDestination, { type: 'hello' }>;

export type ToDestination =
  /**
   * `id` names the migration for good; `maxBytes` bounds all pages that will come, `bytes` is the estimate of the tree. `tasks` are pids that
   * have to be free.
   */
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly id: string;
      readonly pid: number;
      readonly tasks: readonly number[];
      readonly bytes: number;
      readonly maxBytes: number;
      readonly streams: number;
      /** Whether pages may stay behind: then one more connection is made, on which they are asked for. */
      readonly leaves: boolean;
      readonly kernel: string;
      readonly machine: string;
      readonly facts: HostFacts;
      /** What the tree is, when its runtime is to know it there. */
      readonly container: MovedContainer | undefined;
    }
  | TreePiece
  /** With `final` the last one: image files follow, and then `restore`. With `lacking` its lazy pages stay behind. */
  | {
      readonly type: 'level';
      readonly number: number;
      readonly final: RestoreNeeds | undefined;
      readonly lacking: boolean;
    }
  /** A piece of an image file of the last level. */
  | { readonly type: 'file'; readonly name: string }
  | { readonly type: 'restore' }
  | { readonly type: 'go' }
  | { readonly type: 'abort' }
  | { readonly type: 'ask'; readonly id: string }
  | { readonly type: 'done' };

export type ToSource =
  /** `codecs`: what pages may be compressed with. `rootThere`: a container's root filesystem is there. */
  | {
      readonly type: 'welcome';
      readonly session: string;
      readonly codecs: readonly PageCodec[];
      readonly rootThere: boolean;
    }
  | { readonly type: 'streams' }
  /** With the rate at which memory is filled there, and the pace of that host (pace.ts). */
  | {
      readonly type: 'level-done';
      readonly number: number;
      readonly fillBytesPerSecond: number;
      readonly paceMs: number;
    }
  /** Of a final dump that lacks pages: a copy can be made of it at once, and pages can be asked for. */
  | { readonly type: 'ready' }
  | { readonly type: 'prepared'; readonly pid: number; readonly restoreMs: number }
  /** `whole`: it needs no pages from the source. */
  | { readonly type: 'running'; readonly pid: number; readonly resumeMs: number; readonly whole: boolean }
  /** No copy is there, nor will there be one. With the reason, when it is one. */
  | { readonly type: 'gone'; readonly code: ErrorCode | undefined; readonly message: string }
  | { readonly type: 'unknown' };

/** Throws PROTOCOL. */
export function parseToDestination(value: unknown): ToDestination {
  const f = fieldsOf(value);
  switch (f['type']) {
    case 'hello':
      return {
        type: 'hello',
        version: whole(f, 'version', 2 ** 16),
        id: hex(f, 'id'),
        pid: whole(f, 'pid', PID_MAX),
        tasks: pids(f, 'tasks'),
        bytes: whole(f, 'bytes', Number.MAX_SAFE_INTEGER),
        maxBytes: whole(f, 'maxBytes', Number.MAX_SAFE_INTEGER),
        streams: whole(f, 'streams', MAX_STREAMS),
        leaves: f['leaves'] === true,
        kernel: text(f, 'kernel'),
        machine: text(f, 'machine'),
        facts: parseHostFacts(fieldsOf(f['facts'])),
        container: parseMovedContainer(f['container']),
      };
    case 'level':
      return {
        type: 'level',
        number: whole(f, 'number', 2 ** 16),
        final: f['final'] === undefined ? undefined : needsOf(fieldsOf(f['final'])),
        lacking: f['lacking'] === true,
      };
    case 'file':
      return { type: 'file', name: text(f, 'name') };
    case 'tree':
      return parseTreePiece(f);
    case 'ask':
      return { type: 'ask', id: hex(f, 'id') };
    case 'restore':
    case 'go':
    case 'abort':
    case 'done':
      return { type: f['type'] };
    default:
      throw unexpected(f['type'], 'a message of the source');
  }
}

/** That there is no copy, because of `failure`. */
export function goneAfter(failure: unknown): ToSource {
  const message = failure instanceof Error ? failure.message : 'the migration was given up';
  return { type: 'gone', code: CheckpointError.is(failure) ? failure.code : undefined, message: shortened(message) };
}

/** As long as a text may be. */
export function shortened(message: string): string {
  return message.slice(0, MAX_TEXT);
}

/** Throws PROTOCOL. */
export function parseToSource(value: unknown): ToSource {
  const f = fieldsOf(value);
  switch (f['type']) {
    case 'welcome':
      return {
        type: 'welcome',
        session: hex(f, 'session'),
        codecs: codecsOf(f['codecs']),
        rootThere: f['rootThere'] === true,
      };
    case 'level-done':
      return {
        type: 'level-done',
        number: whole(f, 'number', 2 ** 16),
        fillBytesPerSecond: rate(f, 'fillBytesPerSecond'),
        paceMs: duration(f, 'paceMs'),
      };
    case 'prepared':
      return { type: 'prepared', pid: whole(f, 'pid', PID_MAX), restoreMs: duration(f, 'restoreMs') };
    case 'running':
      return {
        type: 'running',
        pid: whole(f, 'pid', PID_MAX),
        resumeMs: duration(f, 'resumeMs'),
        whole: f['whole'] === true,
      };
    case 'gone':
      return { type: 'gone', code: ERROR_CODES.find((code) => code === f['code']), message: text(f, 'message') };
    case 'streams':
    case 'ready':
    case 'unknown':
      return { type: f['type'] };
    default:
      throw unexpected(f['type'], 'a message of the destination');
  }
}

const PID_MAX = 2 ** 22;
const MAX_TASKS = 2 ** 16;

function needsOf(f: Fields): RestoreNeeds {
  return {
    tcpEstablished: f['tcpEstablished'] === true,
    fileLocks: f['fileLocks'] === true,
    extUnixSk: f['extUnixSk'] === true,
    shellJob: f['shellJob'] === true,
    descriptors: f['descriptors'] === undefined ? undefined : text(f, 'descriptors'),
  };
}

// One that is not known is of no use, and no fault.
function codecsOf(value: unknown): readonly PageCodec[] {
  const named: readonly unknown[] = Array.isArray(value) ? value : [];
  return PAGE_CODECS.filter((codec) => named.includes(codec));
}

function pids(f: Fields, name: string): readonly number[] {
  const value = f[name];
  const good = Array.isArray(value) && value.length <= MAX_TASKS;
  if (!good) throw unexpected(value, `${name}: pids`);
  return value.map((_, i) => whole(value as unknown as Fields, String(i), PID_MAX));
}
