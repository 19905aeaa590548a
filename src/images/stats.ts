// stats-dump and stats-restore: CRIU's own figures, in the work directory, written only by a run that succeeded (criu/stats.c).
// Layout: u32 service magic, u32 STATS magic, u32 length, one stats_entry. All times are microseconds.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { decodeEntry, type Entry } from '../schema/images.js';

const SERVICE_MAGIC = 0x55105940;
const STATS_MAGIC = 0x57093306;
const HEADER_BYTES = 12;

export type DumpStats = NonNullable<Entry<'stats_entry'>['dump']>;
export type RestoreStats = NonNullable<Entry<'stats_entry'>['restore']>;

/** CRIU's figures of the last dump or pre-dump with this work directory. Throws IO, or IMAGES_CORRUPT. */
export async function readDumpStats(workDir: string): Promise<DumpStats> {
  const path = join(workDir, 'stats-dump');
  const { dump } = await read(path);
  if (dump === undefined) throw corrupt(path, 'it holds no figures of a dump');
  return dump;
}

/** The same of the last restore. */
export async function readRestoreStats(workDir: string): Promise<RestoreStats> {
  const path = join(workDir, 'stats-restore');
  const { restore } = await read(path);
  if (restore === undefined) throw corrupt(path, 'it holds no figures of a restore');
  return restore;
}

async function read(path: string): Promise<Entry<'stats_entry'>> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new CheckpointError('IO', `Cannot read CRIU's statistics: "${path}" cannot be opened`, { path }, { cause });
  });
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== SERVICE_MAGIC || bytes.readUInt32LE(4) !== STATS_MAGIC) {
    throw corrupt(path, 'it does not begin as one');
  }
  const end = HEADER_BYTES + bytes.readUInt32LE(8);
  if (end > bytes.length) throw corrupt(path, 'it is cut short');
  return decodeEntry('stats_entry', bytes.subarray(HEADER_BYTES, end));
}

function corrupt(path: string, why: string): CheckpointError<'IMAGES_CORRUPT'> {
  return new CheckpointError('IMAGES_CORRUPT', `Cannot read "${path}" as statistics of CRIU: ${why}`, { path });
}
