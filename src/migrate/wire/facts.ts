// What the source says of its host and its tree before anything is sent: what preflight.ts compares with the host that is to take it.

import { type Fields, fieldsOf, text, unexpected, whole } from './fields.js';

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

const MAX_NAMESPACES = 64;
const MAX_CPUINFO = 2 ** 16;

/** Throws PROTOCOL. */
export function parseHostFacts(f: Fields): HostFacts {
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
