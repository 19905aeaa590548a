// What --json tells of a dump or restore that CRIU did itself: CRIU's own figures, under the names that Frazil's report has.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CheckpointError } from '../errors/checkpoint-error.js';
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
  const { imagesDir, workDir } = handedPlace(settings);
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

export interface HandedRestore {
  readonly pid: number;
  readonly imagesDir: string;
}

/** Of the restore that has just ended well, from the pidfile that CRIU wrote. Throws IO. */
export async function handedRestore(settings: Settings, pidfile: string): Promise<HandedRestore> {
  const { imagesDir, workDir } = handedPlace(settings);
  const path = resolve(workDir, pidfile);
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CheckpointError(
      'IO',
      `Cannot tell the pid of the restored tree: ${path} cannot be read`,
      { path },
      { cause },
    );
  });
  return { pid: Number(text), imagesDir };
}

/** Where CRIU reads the images, and where it stands. */
export function handedPlace(settings: Settings): { readonly imagesDir: string; readonly workDir: string } {
  const imagesDir = resolve(lastValue(settings, 'images-dir') ?? '.');
  const given = lastValue(settings, 'work-dir');
  return { imagesDir, workDir: given === undefined ? imagesDir : resolve(given) };
}
