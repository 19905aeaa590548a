// The fields of an object that a peer has sent: read one by one, each checked and bounded. Whatever is read by nobody is kept by nobody.
// All of it throws PROTOCOL.

import { CheckpointError } from '../../errors/checkpoint-error.js';

export type Fields = Readonly<Record<string, unknown>>;

/** Characters of a text. */
export const MAX_TEXT = 4096;
const ID = /^[0-9a-f]{32}$/;
const SHOWN = 80;

export function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw unexpected(value, 'an object');
}

export function whole(f: Fields, name: string, max: number): number {
  const value = f[name];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw unexpected(value, `${name}: a whole number up to ${max}`);
}

export function duration(f: Fields, name: string): number {
  const value = f[name];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw unexpected(value, `${name}: milliseconds`);
}

export function rate(f: Fields, name: string): number {
  const value = f[name];
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw unexpected(value, `${name}: bytes per second`);
}

export function text(f: Fields, name: string): string {
  const value = f[name];
  if (typeof value === 'string' && value.length <= MAX_TEXT) return value;
  throw unexpected(value, `${name}: a text of at most ${MAX_TEXT} characters`);
}

export function hex(f: Fields, name: string): string {
  const value = f[name];
  if (typeof value === 'string' && ID.test(value)) return value;
  throw unexpected(value, `${name}: 32 hexadecimal digits`);
}

export function unexpected(received: unknown, expected: string): CheckpointError<'PROTOCOL'> {
  const shown = String(JSON.stringify(received) ?? received).slice(0, SHOWN);
  const message = `Cannot go on with the migration: the peer sent ${shown}, where ${expected} was expected. Use the same version of Frazil on both hosts`;
  return new CheckpointError('PROTOCOL', message, { received: shown, expected });
}
