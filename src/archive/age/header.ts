// The header of an age file (age-encryption.org/v1): who may have the file's key, wrapped once for each, and a MAC over all of it. Text, then
// 16 bytes of nonce, then the payload, which C++ seals and unseals (native/stream/age.cc).

import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import { publicKey, rawPublic, wrapKey } from './keys.js';

export const AGE_NONCE_BYTES = 16;
const FILE_KEY_BYTES = 16;
const TAG_BYTES = 16;
const VERSION = 'age-encryption.org/v1';
const COLUMNS = 64;
const ZERO_NONCE = Buffer.alloc(12);
const SCRYPT_INFO = 'age-encryption.org/v1/scrypt';
/** 256 MiB and about a second: what age takes. */
const SCRYPT_LOG_N = 18;
/** More would be a way to make a reader use up its memory; age's own limit. */
const LARGEST_SCRYPT_LOG_N = 22;
/** Of a header; the wrapped keys of two thousand recipients. */
export const LARGEST_AGE_HEADER_BYTES = 256 << 10;

export type AgeLock =
  | { readonly kind: 'recipients'; readonly recipients: readonly KeyObject[] }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

export interface AgeKeys {
  readonly identities: readonly KeyObject[];
  readonly passphrase: string | undefined;
}

interface Stanza {
  readonly args: readonly string[];
  readonly body: Buffer;
}

/** The header with its nonce, and the key of the payload behind it. */
export async function sealHeader(lock: AgeLock): Promise<{ readonly header: Buffer; readonly key: Buffer }> {
  const fileKey = randomBytes(FILE_KEY_BYTES);
  const stanzas =
    lock.kind === 'passphrase'
      ? [await forPassphrase(fileKey, lock.passphrase)]
      : lock.recipients.map((recipient) => forRecipient(fileKey, recipient));
  const text = `${VERSION}\n${stanzas.map(render).join('')}---`;
  const nonce = randomBytes(AGE_NONCE_BYTES);
  const header = Buffer.concat([Buffer.from(`${text} ${base64(macOf(fileKey, text))}\n`), nonce]);
  return { header, key: payloadKey(fileKey, nonce) };
}

export type OpenedHeader =
  | { readonly kind: 'opened'; readonly key: Buffer; readonly bytes: number }
  /** More of it must be read. */
  | { readonly kind: 'unfinished' }
  /** None of the keys opens it; `passphrase` says what would. */
  | { readonly kind: 'locked'; readonly passphrase: boolean }
  | { readonly kind: 'damaged'; readonly why: string };

/** Opens what `bytes` begins with. */
export async function openHeader(bytes: Buffer, keys: AgeKeys): Promise<OpenedHeader> {
  const macLine = /\n--- ([A-Za-z0-9+/]{43})\n/.exec(bytes.toString('latin1', 0, LARGEST_AGE_HEADER_BYTES));
  if (macLine === null)
    return bytes.length < LARGEST_AGE_HEADER_BYTES ? { kind: 'unfinished' } : damaged('it has no end');
  const textBytes = macLine.index + macLine[0].length;
  const total = textBytes + AGE_NONCE_BYTES;
  if (bytes.length < total) return { kind: 'unfinished' };
  const stanzas = parseStanzas(bytes.toString('latin1', 0, macLine.index));
  if (stanzas === undefined) return damaged('it is not as age writes it');
  const fileKey = await unwrap(stanzas, keys);
  if (fileKey === undefined) return { kind: 'locked', passphrase: stanzas.some(({ args }) => args[0] === 'scrypt') };
  const mac = base64(macOf(fileKey, bytes.toString('latin1', 0, macLine.index + '\n---'.length)));
  // As text: of the last of its characters two bits say nothing, and a header has one form only.
  if (!timingSafeEqual(Buffer.from(mac), Buffer.from(macLine[1] ?? ''))) return damaged('somebody has changed it');
  return { kind: 'opened', key: payloadKey(fileKey, bytes.subarray(textBytes, total)), bytes: total };
}

function damaged(why: string): OpenedHeader {
  return { kind: 'damaged', why };
}

function forRecipient(fileKey: Buffer, recipient: KeyObject): Stanza {
  const ephemeral = generateKeyPairSync('x25519');
  const share = rawPublic(ephemeral.publicKey);
  const key = wrapKey(ephemeral.privateKey, recipient, share, rawPublic(recipient));
  return { args: ['X25519', base64(share)], body: wrap(key, fileKey) };
}

async function forPassphrase(fileKey: Buffer, passphrase: string): Promise<Stanza> {
  const salt = randomBytes(16);
  const key = await scryptKey(passphrase, salt, SCRYPT_LOG_N);
  return { args: ['scrypt', base64(salt), String(SCRYPT_LOG_N)], body: wrap(key, fileKey) };
}

async function unwrap(stanzas: readonly Stanza[], { identities, passphrase }: AgeKeys): Promise<Buffer | undefined> {
  const [first] = stanzas;
  // A passphrase stands alone: else whoever knows it could pass for a recipient.
  if (first?.args[0] === 'scrypt') return stanzas.length === 1 ? unwrapScrypt(first, passphrase) : undefined;
  for (const { args, body } of stanzas) {
    if (args[0] !== 'X25519') continue;
    for (const identity of identities) {
      const found = unwrapX25519(identity, args[1] ?? '', body);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function unwrapX25519(identity: KeyObject, written: string, body: Buffer): Buffer | undefined {
  const share = Buffer.from(written, 'base64');
  if (share.length !== 32) return undefined;
  try {
    return unsealKey(wrapKey(identity, publicKey(share), share, rawPublic(identity)), body);
  } catch {
    // A share of low order, with which no secret can be agreed upon.
    return undefined;
  }
}

async function unwrapScrypt({ args, body }: Stanza, passphrase: string | undefined): Promise<Buffer | undefined> {
  const salt = Buffer.from(args[1] ?? '', 'base64');
  const logN = Number(args[2]);
  const plausible = salt.length === 16 && Number.isInteger(logN) && logN >= 1 && logN <= LARGEST_SCRYPT_LOG_N;
  if (passphrase === undefined || !plausible) return undefined;
  return unsealKey(await scryptKey(passphrase, salt, logN), body);
}

function scryptKey(passphrase: string, salt: Buffer, logN: number): Promise<Buffer> {
  const N = 2 ** logN;
  const cost = { N, r: 8, p: 1, maxmem: 2 * 128 * N * 8 };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.concat([Buffer.from(SCRYPT_INFO), salt]), 32, cost, (failure, key) =>
      failure === null ? resolve(key) : reject(failure),
    );
  });
}

function wrap(key: Buffer, fileKey: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
}

function unsealKey(key: Buffer, body: Buffer): Buffer | undefined {
  if (body.length !== FILE_KEY_BYTES + TAG_BYTES) return undefined;
  const cipher = createDecipheriv('chacha20-poly1305', key, ZERO_NONCE, { authTagLength: TAG_BYTES });
  cipher.setAuthTag(body.subarray(FILE_KEY_BYTES));
  const opened = cipher.update(body.subarray(0, FILE_KEY_BYTES));
  try {
    return Buffer.concat([opened, cipher.final()]);
  } catch {
    return undefined;
  }
}

function macOf(fileKey: Buffer, text: string): Buffer {
  const key = Buffer.from(hkdfSync('sha256', fileKey, Buffer.alloc(0), 'header', 32));
  return createHmac('sha256', key).update(text, 'latin1').digest();
}

function payloadKey(fileKey: Buffer, nonce: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, nonce, 'payload', 32));
}

function render({ args, body }: Stanza): string {
  const text = base64(body);
  const lines = text.match(new RegExp(`.{1,${COLUMNS}}`, 'g')) ?? [];
  // A last line that is full is followed by an empty one.
  const end = text.length % COLUMNS === 0 ? '\n' : '';
  return `-> ${args.join(' ')}\n${lines.map((line) => `${line}\n`).join('')}${end}`;
}

function parseStanzas(text: string): readonly Stanza[] | undefined {
  const [version, ...lines] = text.split('\n');
  if (version !== VERSION) return undefined;
  const stanzas: Stanza[] = [];
  for (let line = 0; line < lines.length; ) {
    const words = (lines[line] ?? '').split(' ');
    if (words[0] !== '->' || words.length < 2) return undefined;
    let body = '';
    for (let full = true; full; ) {
      line += 1;
      const part = lines[line];
      if (part === undefined || part.length > COLUMNS || !/^[A-Za-z0-9+/]*$/.test(part)) return undefined;
      body += part;
      full = part.length === COLUMNS;
    }
    line += 1;
    stanzas.push({ args: words.slice(1), body: Buffer.from(body, 'base64') });
  }
  return stanzas.length === 0 ? undefined : stanzas;
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
