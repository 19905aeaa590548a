// An option of Frazil itself, and those that most of its commands take.

import type { ArgumentKind, LongOption } from './grammar.js';

export interface OwnOption extends LongOption {
  readonly text: string;
  /** Name of the value in help texts. */
  readonly value?: string;
}

interface About {
  readonly text: string;
  readonly argument?: ArgumentKind;
  readonly value?: string;
  readonly short?: string;
}

export function own(name: string, { text, argument = 'none', value, short }: About): OwnOption {
  const more = { ...(value === undefined ? {} : { value }), ...(short === undefined ? {} : { short }) };
  return { name, argument, sets: name, on: true, text, ...more };
}

export function taking(name: string, value: string, text: string): OwnOption {
  return own(name, { argument: 'required', value, text });
}

export const number = (name: string, text: string): OwnOption => own(name, { text, argument: 'required', value: 'N' });

export const JSON_OPTION = own('json', { text: 'One object on stdout; everything for people goes to stderr' });
export const QUIET = own('quiet', { text: 'No progress, no summary; errors only' });
export const CRIU = own('criu', {
  text: 'The CRIU to run; default: FRAZIL_CRIU, the private prefix, PATH',
  argument: 'required',
  value: 'PATH',
});
export const HELP = own('help', { text: 'Show this text', short: 'h' });

export const RUNTIME_ROOT = own('runtime-root', {
  text: "With --container: where its runtime keeps its state; default: where engines have it, for restore the runtime's own",
  argument: 'required',
  value: 'DIR',
});
