// What --json tells of a dump that CRIU did itself: CRIU's own figures, under the names that Frazil's report has.

import { resolve } from 'node:path';
import { readDumpStats } from '../images/stats.js';
import { lastValue, type Settings } from './parse/settings.js';

const PAGE_BYTES = 4096;

export interface HandedDump {
  readonly pid: number;
  readonly imagesDir: string;
  readonly workDir: string;
  readonly frozenTimeUs: number;
  readonly freezingTimeUs: number;
  /** As CRIU counts. With a page server they are written there. */
  readonly bytesWritten: number;
  readonly pagesWritten: number;
  /** CRIU writes a page of zeros as every other: none became a hole. */
  readonly zeroPages: number;
}

/** Of the dump that has just ended well. Throws IO or IMAGES_CORRUPT. */
export async function handedDump(settings: Settings): Promise<HandedDump> {
  const imagesDir = resolve(lastValue(settings, 'images-dir') ?? '.');
  const given = lastValue(settings, 'work-dir');
  const workDir = given === undefined ? imagesDir : resolve(given);
  const stats = await readDumpStats(workDir);
  const pagesWritten = Number(stats.pages_written) + Number(stats.shpages_written ?? 0);
  return {
    pid: Number(lastValue(settings, 'tree')),
    imagesDir,
    workDir,
    frozenTimeUs: stats.frozen_time,
    freezingTimeUs: stats.freezing_time,
    bytesWritten: pagesWritten * PAGE_BYTES,
    pagesWritten,
    zeroPages: 0,
  };
}
