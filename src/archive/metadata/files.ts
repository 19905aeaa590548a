// Metadata of an unpacked archive, read and written as checkpointctl's library does: the same files, bytes, modes and messages. What is read was
// written by somebody else: a link or a pipe in the place of a file is refused, and so is one of more than 16 MiB.

import { constants } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type GoStruct, goMarshal, goParse, goStruct, goUnmarshal } from './go-json.js';
import * as names from './names.js';
import {
  CHECKPOINTED_POD_OPTIONS,
  type CheckpointedPodOptions,
  CONTAINER_CONFIG,
  CONTAINERD_STATUS,
  type ContainerConfig,
  type ContainerdStatus,
  type PodmanNetworkStatus,
} from './types.js';

const LARGEST_BYTES = 16 << 20;

/**
 * `value` as JSON indented by two, without a newline at the end, in `directory`: 0600 when it is new; a file that is there is cut and keeps
 * its mode. Gives its path. Rejects with IO.
 */
export async function writeJsonFile(value: unknown, directory: string, file: string): Promise<string> {
  const path = join(directory, file);
  const text = marshalled(value, path);
  await writeFile(path, text, { mode: 0o600 }).catch((cause: NodeJS.ErrnoException) => {
    throw io(`open ${path}: ${reasonOf(cause)}`, path, cause);
  });
  return path;
}

/** The same of a structure: its fields in Go's order, less what Go leaves out. */
export function writeStruct(struct: GoStruct, value: object, directory: string, file: string): Promise<string> {
  return writeJsonFile(goStruct(struct, value as Readonly<Record<string, unknown>>), directory, file);
}

/** Rejects with IO when it cannot be read, ARCHIVE_CORRUPT when it is not JSON. */
export async function readJsonFile(directory: string, file: string): Promise<unknown> {
  const path = join(directory, file);
  return unmarshalled(path, () => textOf(path), goParse);
}

export function readContainerConfig(directory: string): Promise<ContainerConfig> {
  return readStruct(directory, names.CONFIG_DUMP_FILE, CONTAINER_CONFIG) as Promise<ContainerConfig>;
}

/** containerd's own status. */
export function readContainerdStatus(directory: string): Promise<ContainerdStatus> {
  return readStruct(directory, names.STATUS_FILE, CONTAINERD_STATUS) as Promise<ContainerdStatus>;
}

export function readPodOptions(directory: string): Promise<CheckpointedPodOptions> {
  return readStruct(directory, names.POD_OPTIONS_FILE, CHECKPOINTED_POD_OPTIONS) as Promise<CheckpointedPodOptions>;
}

/** The OCI runtime spec: only that it is an object is checked. */
export function readSpec(directory: string): Promise<Readonly<Record<string, unknown>>> {
  return readObject(directory, names.SPEC_DUMP_FILE, 'Spec');
}

/** The status that CRI has, of containerd. */
export function readStatusDump(directory: string): Promise<Readonly<Record<string, unknown>>> {
  return readObject(directory, names.STATUS_DUMP_FILE, 'ContainerStatus');
}

/** Podman's networks; `null` in the file is none. */
export function readNetworkStatus(directory: string): Promise<PodmanNetworkStatus> {
  return readObject(directory, names.NETWORK_STATUS_FILE, 'PodmanNetworkStatus') as Promise<PodmanNetworkStatus>;
}

/** Absolute paths in the container that are not there any more. */
export async function readDeletedFiles(directory: string): Promise<readonly string[]> {
  const path = join(directory, names.DELETED_FILES_FILE);
  return unmarshalled(
    path,
    () => textOf(path),
    (text) => {
      const found = goParse(text) ?? [];
      if (Array.isArray(found) && found.every((one) => typeof one === 'string')) return found as readonly string[];
      throw new RangeError('json: cannot unmarshal object into Go value of type []string');
    },
  );
}

async function readStruct(directory: string, file: string, struct: GoStruct): Promise<unknown> {
  const path = join(directory, file);
  return unmarshalled(
    path,
    () => textOf(path),
    (text) => goUnmarshal(struct, text),
  );
}

async function readObject(directory: string, file: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(directory, file);
  return unmarshalled(
    path,
    () => textOf(path),
    (text) => {
      const found = goParse(text) ?? {};
      if (typeof found === 'object' && !Array.isArray(found)) return found as Readonly<Record<string, unknown>>;
      throw new RangeError(
        `json: cannot unmarshal ${Array.isArray(found) ? 'array' : typeof found} into Go value of type ${name}`,
      );
    },
  );
}

async function unmarshalled<T>(path: string, read: () => Promise<string>, parse: (text: string) => T): Promise<T> {
  const text = await read();
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CheckpointError(
      'ARCHIVE_CORRUPT',
      `failed to unmarshal ${path}: ${cause.message}`,
      { archive: path },
      { cause },
    );
  }
}

function marshalled(value: unknown, path: string): string {
  try {
    return goMarshal(value, 2);
  } catch (cause) {
    throw io(`error marshalling JSON: ${cause instanceof Error ? cause.message : String(cause)}`, path, cause);
  }
}

async function textOf(path: string): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((cause: NodeJS.ErrnoException) => {
    throw io(
      cause.code === 'ELOOP' ? `${path} is not a regular file` : `open ${path}: ${reasonOf(cause)}`,
      path,
      cause,
    );
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw io(`${path} is not a regular file`, path);
    if (status.size > LARGEST_BYTES) throw io(`${path} has more than ${LARGEST_BYTES} bytes`, path);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

const REASONS: Partial<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  EROFS: 'read-only file system',
};

function reasonOf({ code = 'unknown' }: NodeJS.ErrnoException): string {
  return REASONS[code] ?? code;
}

function io(message: string, path: string, cause?: unknown): CheckpointError<'IO'> {
  return new CheckpointError('IO', message, { path }, { cause });
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** "512 B", "1.5 KiB": checkpointctl's figures for people. Negative ones are bytes, whatever they are. */
export function byteToString(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${halfEven(value)} ${UNITS[unit]}`;
}

// What lies exactly between two tenths goes to the even one, as with C's printf; toFixed() goes up.
function halfEven(value: number): string {
  const tenths = value * 10;
  const below = Math.floor(tenths);
  if (tenths - below !== 0.5) return value.toFixed(1);
  return ((below % 2 === 0 ? below : below + 1) / 10).toFixed(1);
}
