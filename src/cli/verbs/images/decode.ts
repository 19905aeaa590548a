// images decode and show: an image file as the JSON of crit.

import { CheckpointError } from '../../../errors/checkpoint-error.js';
import { imageText } from '../../../images/crit/image-text.js';
import { printPagemapFile } from '../../../images/crit/print-pagemap.js';
import type { ShowOptions } from '../../../images/crit/to-json.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { lastValue } from '../../parse/settings.js';
import { UsageError } from '../../usage-error.js';
import { type Output, openInput, openOutput } from './streams.js';

export async function runDecode({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const from = lastValue(settings, 'in') ?? operands[0];
  if (operands.length > (settings.has('in') ? 0 : 1))
    throw new UsageError('images decode takes one image file', 'images decode');
  const to = lastValue(settings, 'out');
  const form = settings.has('pretty') ? 'pretty' : 'plain';
  return show({ from, to, form, payload: settings.has('nopl') ? 'sized' : 'shown' }, context);
}

export async function runShow({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const [from, ...surplus] = operands;
  if (from === undefined || surplus.length > 0)
    throw new UsageError('images show needs one image file, or - for standard input', 'images show');
  return show({ from, to: undefined, form: 'pretty', payload: settings.has('nopl') ? 'sized' : 'shown' }, context);
}

interface Wanted extends Pick<ShowOptions, 'form' | 'payload'> {
  readonly from: string | undefined;
  readonly to: string | undefined;
}

async function show({ from, to, ...options }: Wanted, { terminal, interruption }: Context): Promise<number> {
  const newer = new Set<string>();
  await using out = await openOutput(to, terminal);
  const noted = { ...options, onNewer: (what: string) => void newer.add(what) };
  const { signal } = interruption;
  if (!(await printedDirectly(from, out, { form: options.form, signal }))) {
    const { path, bytes } = openInput(from, signal);
    for await (const piece of imageText(bytes, path, noted)) await out.write(piece);
  }
  // As crit: a file holds the JSON alone, a reader of lines gets a whole line.
  if (to === undefined || to === '-') await out.write('\n');
  await out.commit();
  if (newer.size > 0)
    terminal.say(`frazil: ${from ?? 'standard input'} is of a newer CRIU than 4.2: ${[...newer].join(', ')}`);
  return EXIT.done;
}

// A pagemap from a file to an fd needs no JavaScript.
async function printedDirectly(
  from: string | undefined,
  { fd }: Output,
  options: { readonly form: 'plain' | 'pretty'; readonly signal: AbortSignal },
): Promise<boolean> {
  if (from === undefined || from === '-' || fd === undefined) return false;
  return printPagemapFile(from, fd, options).catch((error: unknown) => {
    // Slower, and the same text.
    if (CheckpointError.is(error, 'ADDON_MISSING')) return false;
    throw error;
  });
}
