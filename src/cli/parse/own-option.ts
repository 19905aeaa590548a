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

/** What is needed and demanded to read an archive. */
export const READING = [
  own('identity', {
    text: 'An age identity file that opens an encrypted archive; may be repeated',
    argument: 'required',
    value: 'FILE',
  }),
  own('passphrase-file', { text: 'A file with the passphrase of an archive', argument: 'required', value: 'FILE' }),
  own('require-signature', {
    text: 'Refuse an archive unless the ed25519 public key in this file has signed it; may be repeated: any of them',
    argument: 'required',
    value: 'FILE',
  }),
  own('require-encryption', { text: 'Refuse an archive that is not encrypted' }),
  own('no-digests', { text: 'Do not compare the content of members with their digests' }),
] as const;
