// The options that say what is needed and demanded to read an archive.

import { own } from './own-option.js';

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
