// How the two ends know each other. One of three, decided before anything is sent.

import { type Address, formatAddress } from './address.js';
import { parseToken, type Token } from './token.js';

/** Paths of PEM files: our own certificate, its key, and who may have signed the peer's. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export type SourceSecurity =
  | { readonly kind: 'plaintext' }
  | { readonly kind: 'token'; readonly token: Token }
  | { readonly kind: 'certificates'; readonly files: CertificateFiles };

export interface SecurityWishes {
  readonly plaintext?: boolean | undefined;
  readonly token?: string | undefined;
  readonly certificates?: CertificateFiles | undefined;
}

/** Throws RangeError for none or more than one. On a unix socket the permissions of its folder decide, and plaintext is the default. */
export function sourceSecurity({ plaintext, token, certificates }: SecurityWishes, to: Address): SourceSecurity {
  assertOne(plaintext === true, token !== undefined, certificates !== undefined);
  if (token !== undefined) return { kind: 'token', token: parseToken(token) };
  if (certificates !== undefined) return { kind: 'certificates', files: certificates };
  if (plaintext === true || to.kind === 'unix') return { kind: 'plaintext' };
  const where = formatAddress(to);
  throw new RangeError(
    `Cannot migrate to ${where} without a token: pass the one that "frazil receive" has printed (--token), certificates, or plaintext: true (--plaintext) where the network is trusted`,
  );
}

export type DestinationSecurity =
  | { readonly kind: 'plaintext' }
  | { readonly kind: 'token' }
  | { readonly kind: 'certificates'; readonly files: CertificateFiles };

/** A token, unless something else is wanted. Throws RangeError for more than one wish. */
export function destinationSecurity(
  { plaintext, certificates }: Omit<SecurityWishes, 'token'>,
  at: Address,
): DestinationSecurity {
  assertOne(plaintext === true, certificates !== undefined);
  if (certificates !== undefined) return { kind: 'certificates', files: certificates };
  return { kind: plaintext === true || at.kind === 'unix' ? 'plaintext' : 'token' };
}

function assertOne(...wishes: readonly boolean[]): void {
  if (wishes.filter(Boolean).length > 1)
    throw new RangeError('Cannot combine plaintext, a token and certificates: choose one of them');
}
