// The options by which migrate and receive know each other.

import type { CertificateFiles } from '../../migrate/wire/security.js';
import { lastValue, type Settings } from '../parse/settings.js';
import { UsageError } from '../usage-error.js';

export function securityOf(settings: Settings): {
  readonly plaintext?: true;
  readonly certificates?: CertificateFiles;
} {
  const [cert, key, ca] = ['tls-cert', 'tls-key', 'tls-cacert'].map((name) => lastValue(settings, name));
  const given = [cert, key, ca].filter((path) => path !== undefined).length;
  if (given % 3 !== 0) throw new UsageError('--tls-cert, --tls-key and --tls-cacert go together');
  return {
    ...(settings.has('plaintext') ? { plaintext: true } : {}),
    ...(cert === undefined || key === undefined || ca === undefined ? {} : { certificates: { cert, key, ca } }),
  };
}

/** From the environment, too: other users of the machine can read a command line. */
export function tokenOf(settings: Settings): { readonly token?: string } {
  const others = settings.has('plaintext') || settings.has('tls-cert');
  const token = lastValue(settings, 'token') ?? (others ? undefined : process.env['FRAZIL_TOKEN']);
  return token === undefined ? {} : { token };
}
