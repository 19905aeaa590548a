// images info: what kind of image file it is, and how many entries it has.

import { imageInfo } from '../../../images/crit/info.js';
import { jsonText } from '../../../images/crit/json.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { UsageError } from '../../usage-error.js';
import { openInput } from './streams.js';

export async function runInfo({ operands }: OwnInvocation, { terminal, interruption }: Context): Promise<number> {
  const [file, ...surplus] = operands;
  if (file === undefined || surplus.length > 0)
    throw new UsageError('images info needs one image file, or - for standard input', 'images info');
  const { path, bytes } = openInput(file, interruption.signal);
  const { magic, count } = await imageInfo(bytes, path);
  terminal.print(jsonText({ magic, count }, 'pretty'));
  return EXIT.done;
}
