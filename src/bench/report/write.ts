/** The files of a result: the series for programs, the plot, the report for people. */
import { writeFile } from 'node:fs/promises';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { BenchResult } from '../model.js';
import { renderHtml } from './html.js';
import { renderSvg } from './svg.js';

export interface ReportPaths {
  readonly json?: string;
  readonly svg?: string;
  readonly html?: string;
}

/** Throws IO for a path that cannot be written; the figures are then only in the returned result. */
export async function writeReports(result: BenchResult, { json, svg, html }: ReportPaths): Promise<void> {
  if (json !== undefined) await write(json, `${JSON.stringify(result, undefined, 2)}\n`);
  if (svg !== undefined) await write(svg, renderSvg(result));
  if (html !== undefined) await write(html, renderHtml(result));
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new CheckpointError(
      'IO',
      `Cannot write the report "${path}": check that its folder exists`,
      { path },
      { cause },
    );
  }
}
