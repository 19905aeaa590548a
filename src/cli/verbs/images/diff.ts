// images diff: the memory of two checkpoints, page by page.

import { diffMemory } from '../../../criu/image-verbs.js';
import { CHANGES, type DiffReport, type ImageDiff } from '../../../images/diff.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { follow } from '../../follow.js';
import { table } from '../../print/table.js';
import { count } from '../../print/units.js';
import { directories } from './chain.js';
import { inImages } from './place.js';

const HEAD = ['', 'same', 'changed', 'zero', 'cleared', 'only in the first', 'only in the second'];

export async function runDiff({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const [first, second] = directories('diff', operands, 2);
  const looking = { topic: 'images diff', pages: 'with' } as const;
  const found = await inImages({ ...looking, named: first }, context, (one) =>
    inImages({ ...looking, named: second }, context, (other) =>
      follow(diffMemory(one, other, { signal: context.interruption.signal }), context),
    ),
  );
  const report = { ...found, first, second };
  const { terminal, preferences } = context;
  const runs = settings.has('runs');
  if (preferences.json) {
    terminal.printJson(toJson(report, runs));
    return EXIT.done;
  }
  for (const line of table([HEAD, ...report.images.map(row), totalRow(report)], terminal.columns)) terminal.print(line);
  if (runs) for (const image of report.images) for (const line of runLines(image)) terminal.print(line);
  return EXIT.done;
}

function row({ in: { kind, id }, pages }: ImageDiff): readonly string[] {
  return [kind === 'task' ? `task ${id}` : `shmem ${id}`, ...CHANGES.map((change) => count(pages[change]))];
}

function totalRow({ pages }: DiffReport): readonly string[] {
  return ['all', ...CHANGES.map((change) => count(pages[change]))];
}

function* runLines({ in: { kind, id }, runs }: ImageDiff): Generator<string> {
  for (const { address, pages, change } of runs()) {
    if (change !== 'same' && change !== 'zero') yield `${kind} ${id}  0x${address.toString(16)}  ${pages}  ${change}`;
  }
}

function toJson({ first, second, pages, bytesRead, images }: DiffReport, runs: boolean): unknown {
  const list = images.map((image) => ({ in: image.in, pages: image.pages, ...(runs ? { runs: runList(image) } : {}) }));
  return { first, second, pages, bytesRead, images: list };
}

function runList(image: ImageDiff): unknown {
  return [...image.runs()].map(({ address, ...run }) => ({ address: `0x${address.toString(16)}`, ...run }));
}
