/** CRIU's own times of a dump, from `stats-dump` in the work directory: u32 service magic, u32 type magic, u32 length, stats_entry. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface DumpTimes {
  readonly freezingUs: number;
  readonly frozenUs: number;
}

const HEADER_BYTES = 12;
const WIRE_BYTES = 2;
const DUMP_STATS = 1;
const FREEZING_TIME = 1;
const FROZEN_TIME = 2;

export async function readDumpTimes(workDir: string): Promise<DumpTimes> {
  const path = join(workDir, 'stats-dump');
  const bytes = await readFile(path);
  const dump = field(bytes.subarray(HEADER_BYTES), DUMP_STATS);
  const freezingUs = dump instanceof Uint8Array ? field(dump, FREEZING_TIME) : undefined;
  const frozenUs = dump instanceof Uint8Array ? field(dump, FROZEN_TIME) : undefined;
  if (typeof freezingUs !== 'number' || typeof frozenUs !== 'number') {
    throw new CheckpointError('IMAGES_CORRUPT', `Cannot read "${path}": it is not the statistics of a dump`, { path });
  }
  return { freezingUs, frozenUs };
}

/** The first field with this number; stats_entry has only varints and messages. */
function field(message: Uint8Array, wanted: number): number | Uint8Array | undefined {
  for (let at = 0; at < message.length; ) {
    const key = varint(message, at);
    const value = varint(message, key.end);
    const length = key.value % 8 === WIRE_BYTES ? value.value : 0;
    if (Math.floor(key.value / 8) === wanted)
      return length > 0 ? message.subarray(value.end, value.end + length) : value.value;
    at = value.end + length;
  }
  return undefined;
}

function varint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = at; ; i++) {
    const byte = bytes[i] ?? 0; // past the end reads as the end of the number
    value += (byte % 128) * 128 ** (i - at);
    if (byte < 128) return { value, end: i + 1 };
  }
}
