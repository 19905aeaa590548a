// images encode: the JSON of crit as an image file.

import { buffer } from 'node:stream/consumers';
import { encodedJson } from '../../../images/crit/from-json.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { lastValue } from '../../parse/settings.js';
import { UsageError } from '../../usage-error.js';
import { openInput, openOutput } from './streams.js';

export async function runEncode({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  if (operands.length > (settings.has('in') ? 0 : 1))
    throw new UsageError('images encode takes one file of JSON', 'images encode');
  const { path, bytes } = openInput(lastValue(settings, 'in') ?? operands[0], context.interruption.signal);
  const json = await buffer(bytes);
  await using out = await openOutput(lastValue(settings, 'out'), context.terminal);
  for (const piece of gathered(encodedJson(json, path))) await out.write(piece);
  await out.commit();
  return EXIT.done;
}

const PIECE_BYTES = 1 << 20;

// Entries are small, and a write each would cost more than they.
function* gathered(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  yield Buffer.concat(waiting);
}
