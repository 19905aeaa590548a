// config.json of a container that has moved: that of the source, with the folders that it has here.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { MovedContainer } from '../../migrate/wire/container-messages.js';

export interface MovedTo {
  readonly rootfs: string;
  /** The folder of all volumes. */
  readonly volumes: string;
}

/** Throws PROTOCOL for what is no config.json. */
export function specFor({ config, trees }: MovedContainer, { rootfs, volumes }: MovedTo): string {
  const spec = objectOf(parsed(config));
  const moved = new Map(trees.filter(({ kind }) => kind === 'volume').map((tree) => [tree.destination, tree.name]));
  const mounts = Array.isArray(spec['mounts']) ? spec['mounts'].map(objectOf) : [];
  return JSON.stringify({
    ...spec,
    root: { ...objectOf(spec['root'] ?? {}), path: rootfs },
    mounts: mounts.map((mount) => {
      const name = moved.get(String(mount['destination']));
      return name === undefined ? mount : { ...mount, source: join(volumes, name) };
    }),
  });
}

/** A config.json that is there already. */
export interface OwnSpec {
  readonly root: string;
  readonly terminal: boolean;
}

export async function ownSpec(config: string): Promise<OwnSpec | undefined> {
  const text = await readFile(config, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const path = objectOf(objectOf(parsed(text))['root'] ?? {})['path'];
  return { root: typeof path === 'string' ? path : 'rootfs', terminal: hasTerminal(text) };
}

/** Throws PROTOCOL for what is no config.json. */
export function hasTerminal(config: string): boolean {
  return objectOf(objectOf(parsed(config))['process'] ?? {})['terminal'] === true;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noSpec(text, cause);
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw noSpec(JSON.stringify(value) ?? '', undefined);
}

const SHOWN = 80;

function noSpec(text: string, cause: unknown): CheckpointError<'PROTOCOL'> {
  const received = text.slice(0, SHOWN);
  return new CheckpointError('PROTOCOL', `Cannot take "${received}" for a config.json`, { received }, { cause });
}
