// What runtimes print as JSON, read as foreign data: only what every runtime says is demanded.

import { CheckpointError } from '../errors/checkpoint-error.js';
import type { Container } from './operations.js';

/** Throws PROTOCOL for what is not a container. */
export function containerFrom(text: string): Container {
  return containerOf(parsed(text));
}

/** An empty list is `null` with runc. Throws PROTOCOL. */
export function containersFrom(text: string): readonly Container[] {
  const list = parsed(text) ?? [];
  if (!Array.isArray(list)) throw violation(text);
  return list.map(containerOf);
}

/** Throws PROTOCOL. */
export function pidsFrom(text: string): readonly number[] {
  const list = parsed(text) ?? [];
  if (!Array.isArray(list) || !list.every((pid) => Number.isInteger(pid))) throw violation(text);
  return list;
}

function containerOf(value: unknown): Container {
  if (typeof value !== 'object' || value === null) throw violation(JSON.stringify(value));
  const field = (name: string): unknown => Reflect.get(value, name);
  const word = (name: string): string => (typeof field(name) === 'string' ? String(field(name)) : '');
  const id = word('id');
  if (id === '') throw violation(JSON.stringify(value));
  const pid = Number(field('pid') ?? 0);
  return {
    ociVersion: word('ociVersion'),
    id,
    pid: Number.isInteger(pid) ? pid : 0,
    status: word('status'),
    bundle: word('bundle'),
    rootfs: word('rootfs'),
    created: word('created'),
    annotations: annotationsOf(field('annotations')),
    owner: word('owner'),
  };
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([key, said]) => [key, String(said)]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw violation(text);
  }
}

const SHOWN = 80;

function violation(text: string): CheckpointError<'PROTOCOL'> {
  const received = text.slice(0, SHOWN);
  return new CheckpointError('PROTOCOL', `Cannot read what the runtime answered: "${received}"`, { received });
}
