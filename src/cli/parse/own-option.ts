// An option of Frazil itself.

import type { LongOption } from './grammar.js';

export interface OwnOption extends LongOption {
  readonly text: string;
  /** Name of the value in help texts. */
  readonly value?: string;
}
