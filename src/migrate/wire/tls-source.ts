// The source's side of TLS 1.3: the peer is known by its certificate's fingerprint, or by whom it was signed.

import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { fingerprintOf } from './certificate.js';
import type { SourceSecurity } from './security.js';
import { proofOf } from './token.js';

/** Rejects with NOT_PERMITTED when the peer is somebody else, with IO when the handshake fails. The socket is closed then. */
export async function secure(
  socket: Socket,
  security: Exclude<SourceSecurity, { kind: 'plaintext' }>,
  host: string,
): Promise<TLSSocket> {
  const tls = connect({ socket, minVersion: 'TLSv1.3', ...(await optionsOf(security, host)) });
  await handshake(tls);
  if (security.kind === 'certificates') return tls;
  const { fingerprint, secret } = security.token;
  const peer = tls.getPeerCertificate().raw as Buffer | undefined;
  if (peer === undefined || !timingSafeEqual(fingerprintOf(peer), fingerprint)) {
    tls.destroy();
    throw new CheckpointError(
      'NOT_PERMITTED',
      'Cannot migrate: the receiver is not the one that printed the token. Is the address right?',
      {},
    );
  }
  tls.write(proofOf(secret, tls));
  return tls;
}

async function optionsOf(security: SourceSecurity, host: string): Promise<ConnectionOptions> {
  // Its certificate is its own; who it is, the fingerprint says.
  if (security.kind !== 'certificates') return { rejectUnauthorized: false };
  const { cert, key, ca } = security.files;
  return { cert: await readFile(cert), key: await readFile(key), ca: await readFile(ca), host };
}

async function handshake(tls: TLSSocket): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      tls.once('secureConnect', resolve).once('error', reject);
      tls.once('close', () => reject(new Error('the connection was closed')));
    });
  } catch (cause) {
    tls.destroy();
    const { code: errno = 'unknown', message: why } = cause as NodeJS.ErrnoException;
    const message = `Cannot migrate: no TLS with the receiver: ${why}. Do both sides use the same kind of security?`;
    throw new CheckpointError('IO', message, { syscall: 'connect', errno }, { cause });
  }
}
