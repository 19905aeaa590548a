// What the two ends of a migration say to each other on the control stream. Each message is one JSON object, some with bytes behind it
// (channel.ts has the framing). The peer is not trusted: every field is checked here, once, and nothing else of an object is kept.

import type { PageCodec } from '../../addon/page-streams.js';
import { CheckpointError, ERROR_CODES, type ErrorCode } from '../../errors/checkpoint-error.js';
import { MAX_STREAMS } from './address.js';
import { type MovedContainer, parseMovedContainer, parseTreePiece, type TreePiece } from './container-messages.js';

/** In the order of preference. */
export const PAGE_CODECS: readonly PageCodec[] = ['lz4', 'zstd'];
/** Both ends speak this version or none. */
export const PROTOCOL_VERSION = 4;

/** What a restore needs to be told that a dump was told. */
export interface RestoreNeeds {
  readonly tcpEstablished: boolean;
  readonly fileLocks: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  /** Of a container: its descriptors.json, which a runtime reads before it starts CRIU. */
  readonly descriptors: string | undefined;
}

/** What the tree needs by its name, so that the destination must have it, too. */
export interface NeededFile {
  readonly path: string;
  readonly kind: (typeof FILE_KINDS)[number];
  /** Absent where it does not matter, or changes. */
  readonly size: number | undefined;
}

const FILE_KINDS = ['file', 'directory', 'fifo'] as const;
/** That are compared beforehand: more than any program needs. */
export const MAX_FILES = 2 ** 12;

export interface HostFacts {
  /** Version of CRIU. */
  readonly criu: string;
  /** cpuinfo.img in base64; absent where there is nothing to compare. */
  readonly cpuinfo: string | undefined;
  /** The kinds of namespaces that the kernel has, as /proc/PID/ns names them. */
  readonly namespaces: readonly string[];
  readonly files: readonly NeededFile[];
}

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
  | { readonly type: 'prepared'; readonly pid: number; readonly restoreMs: number }
  /** `whole`: it needs no pages from the source. */
  | { readonly type: 'running'; readonly pid: number; readonly resumeMs: number; readonly whole: boolean }
  /** No copy is there, nor will there be one. With the reason, when it is one. */
  | { readonly type: 'gone'; readonly code: ErrorCode | undefined; readonly message: string }
  | { readonly type: 'unknown' };

type Fields = Readonly<Record<string, unknown>>;

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
        facts: factsOf(fieldsOf(f['facts'])),
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
    case 'unknown':
      return { type: f['type'] };
    default:
      throw unexpected(f['type'], 'a message of the destination');
  }
}

const PID_MAX = 2 ** 22;
const MAX_TEXT = 4096;
const MAX_TASKS = 2 ** 16;
const ID = /^[0-9a-f]{32}$/;

const MAX_NAMESPACES = 64;
const MAX_CPUINFO = 2 ** 16;

function factsOf(f: Fields): HostFacts {
  const { cpuinfo, namespaces, files } = f;
  if (cpuinfo !== undefined && (typeof cpuinfo !== 'string' || cpuinfo.length > MAX_CPUINFO))
    throw unexpected(cpuinfo, 'cpuinfo: an image in base64');
  if (!Array.isArray(files) || files.length > MAX_FILES) throw unexpected(files, 'files');
  if (!Array.isArray(namespaces) || namespaces.length > MAX_NAMESPACES) throw unexpected(namespaces, 'namespaces');
  return {
    criu: text(f, 'criu'),
    cpuinfo,
    namespaces: namespaces.map((_, i) => text(namespaces as unknown as Fields, String(i))),
    files: files.map((file: unknown) => fileOf(fieldsOf(file))),
  };
}

function fileOf(f: Fields): NeededFile {
  const kind = FILE_KINDS.find((known) => known === f['kind']);
  if (kind === undefined) throw unexpected(f['kind'], 'kind: of a file');
  const size = f['size'] === undefined ? undefined : whole(f, 'size', Number.MAX_SAFE_INTEGER);
  return { path: text(f, 'path'), kind, size };
}

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

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw unexpected(value, 'an object');
}

function whole(f: Fields, name: string, max: number): number {
  const value = f[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw unexpected(value, `${name}: a whole number up to ${max}`);
}

function duration(f: Fields, name: string): number {
  const value = f[name];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw unexpected(value, `${name}: milliseconds`);
}

function rate(f: Fields, name: string): number {
  const value = f[name];
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw unexpected(value, `${name}: bytes per second`);
}

function text(f: Fields, name: string): string {
  const value = f[name];
  if (typeof value === 'string' && value.length <= MAX_TEXT) return value;
  throw unexpected(value, `${name}: a text of at most ${MAX_TEXT} characters`);
}

function hex(f: Fields, name: string): string {
  const value = f[name];
  if (typeof value === 'string' && ID.test(value)) return value;
  throw unexpected(value, `${name}: 32 hexadecimal digits`);
}

function pids(f: Fields, name: string): readonly number[] {
  const value = f[name];
  const good = Array.isArray(value) && value.length <= MAX_TASKS;
  if (!good) throw unexpected(value, `${name}: pids`);
  return value.map((_, i) => whole(value as unknown as Fields, String(i), PID_MAX));
}

function unexpected(received: unknown, expected: string): CheckpointError<'PROTOCOL'> {
  const shown = String(JSON.stringify(received) ?? received).slice(0, 80);
  const message = `Cannot go on with the migration: the peer sent ${shown}, where ${expected} was expected. Use the same version of Frazil on both hosts`;
  return new CheckpointError('PROTOCOL', message, { received: shown, expected });
}
