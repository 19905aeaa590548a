// The destination's side of TLS 1.3: a source is known by its proof of the token's secret, or by whom its certificate was signed.

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { type Certificate, fingerprintOf, makeCertificate } from './certificate.js';
import { readFirst } from './read-first.js';
import type { CertificateFiles, DestinationSecurity } from './security.js';
import { formatToken, newSecret, PROOF_BYTES, proves } from './token.js';

export interface Admitted {
  readonly tls: TLSSocket;
  /** False for a token that has brought a migration before: it may only ask what became of that. */
  readonly fresh: boolean;
}

/** What a guardian needs to know the sources that may ask, on a pipe to it. */
export type DoorKeys =
  | { readonly kind: 'token'; readonly key: string; readonly cert: string; readonly used: readonly string[] }
  | { readonly kind: 'certificates'; readonly files: CertificateFiles };

export interface Door {
  /** The token that no migration has used yet, if tokens are what opens it. */
  readonly token: string | undefined;
  readonly keys: DoorKeys;
  /** `undefined` for a source that is not who it should be; its connection is closed. */
  admit(socket: Socket, first: Buffer): Promise<Admitted | undefined>;
}

/** Rejects with what readFile() says of a certificate. */
export async function openDoor(security: Exclude<DestinationSecurity, { kind: 'plaintext' }>): Promise<Door> {
  return security.kind === 'token' ? new TokenDoor() : certificateDoor(security.files);
}

/** Another process's door: no token that has not been used opens it. */
export async function reopenDoor(keys: DoorKeys): Promise<Door> {
  if (keys.kind === 'certificates') return certificateDoor(keys.files);
  const used = keys.used.map((secret) => Buffer.from(secret, 'hex'));
  return new TokenDoor(keys, used);
}

class TokenDoor implements Door {
  readonly #certificate: Pick<Certificate, 'key' | 'cert'>;
  readonly #used: Buffer[];
  #secret = newSecret();

  constructor(certificate: Pick<Certificate, 'key' | 'cert'> = makeCertificate(), used: readonly Buffer[] = []) {
    this.#certificate = certificate;
    this.#used = [...used];
  }

  get token(): string {
    const { raw } = new X509Certificate(this.#certificate.cert);
    return formatToken({ fingerprint: fingerprintOf(raw), secret: this.#secret });
  }

  get keys(): DoorKeys {
    const { key, cert } = this.#certificate;
    return { kind: 'token', key, cert, used: this.#used.map((secret) => secret.toString('hex')) };
  }

  async admit(socket: Socket, first: Buffer): Promise<Admitted | undefined> {
    const { key, cert } = this.#certificate;
    const tls = await handshake(socket, first, { key, cert, minVersion: 'TLSv1.3' });
    const proof = tls && (await readFirst(tls, PROOF_BYTES));
    if (tls === undefined || proof === undefined) return undefined;
    if (proves(proof, this.#secret, tls)) {
      this.#used.push(this.#secret);
      this.#secret = newSecret();
      return { tls, fresh: true };
    }
    if (this.#used.some((secret) => proves(proof, secret, tls))) return { tls, fresh: false };
    tls.destroy();
    return undefined;
  }
}

async function certificateDoor(files: CertificateFiles): Promise<Door> {
  const [cert, key, ca] = await Promise.all([files.cert, files.key, files.ca].map((path) => readFile(path)));
  const options = { cert, key, ca, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true } as const;
  return {
    token: undefined,
    keys: { kind: 'certificates', files },
    async admit(socket, first) {
      const tls = await handshake(socket, first, options);
      return tls === undefined ? undefined : { tls, fresh: true };
    },
  };
}

// A peer that begins a handshake and stops must not hold a place.
const HANDSHAKE_MS = 10_000;

// A server that never listens does the handshake, and the verification of the peer's certificate, of a connection that is given to it.
async function handshake(socket: Socket, first: Buffer, options: TlsOptions): Promise<TLSSocket | undefined> {
  socket.unshift(first);
  const silence = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
  try {
    return await new Promise((resolve) => {
      const server = createServer(options, resolve);
      server.once('tlsClientError', () => resolve(undefined));
      socket.once('close', () => resolve(undefined));
      server.emit('connection', socket);
    });
  } finally {
    clearTimeout(silence);
  }
}
