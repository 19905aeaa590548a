// Who is let in, over real connections on loopback: the right token once, nobody else; and keys of page streams that both ends agree on.

import { X509Certificate } from 'node:crypto';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { parseAddress } from '../../../src/migrate/wire/address.js';
import { fingerprintOf, makeCertificate } from '../../../src/migrate/wire/certificate.js';
import { connectControl } from '../../../src/migrate/wire/connect.js';
import { type DestinationLink, listen } from '../../../src/migrate/wire/listen.js';
import { pagesPreamble } from '../../../src/migrate/wire/preamble.js';
import { type SourceSecurity, sourceSecurity } from '../../../src/migrate/wire/security.js';
import { formatToken, parseToken } from '../../../src/migrate/wire/token.js';

const ANY = parseAddress('127.0.0.1:0');
const signal = new AbortController().signal;
const ID = '0'.repeat(32);

async function door() {
  const links: DestinationLink[] = [];
  const listener = await listen(ANY, { kind: 'token' }, (link) => links.push(link));
  const dial = (token: string) =>
    connectControl({ to: listener.address, security: sourceSecurity({ token }, listener.address), signal });
  return { links, listener, dial, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

it('makes a certificate that is signed by its own key', () => {
  const { cert, key, fingerprint } = makeCertificate();
  const parsed = new X509Certificate(cert);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(parsed.subject).toBe('CN=frazil receive');
  expect(fingerprintOf(parsed.raw)).toEqual(fingerprint);
  expect(key).toContain('PRIVATE KEY');
  expect(makeCertificate().fingerprint).not.toEqual(fingerprint);
});

it('lets the token in once, and both ends have the same keys, another for each stream', async () => {
  await using at = await door();
  const token = at.listener.token ?? '';
  const link = await at.dial(token);
  await link.channel.send({ type: 'ask', id: ID });
  await expect.poll(() => at.links.length).toBe(1);
  expect((await at.links[0]?.channel.receive())?.message).toEqual({ type: 'ask', id: ID });
  expect(at.links[0]?.fresh).toBe(true);
  expect(link.keyOf(0)).toHaveLength(32);
  expect(link.keyOf(0)).toEqual(at.links[0]?.keyOf(0));
  expect(link.keyOf(1)).toEqual(at.links[0]?.keyOf(1));
  expect(link.keyOf(0)).not.toEqual(link.keyOf(1));
  expect(at.listener.token).not.toBe(token);
  // The same token again: only to ask.
  const again = await at.dial(token);
  await expect.poll(() => at.links.length).toBe(2);
  expect(at.links[1]?.fresh).toBe(false);
  expect(again.keyOf(0)).not.toEqual(link.keyOf(0));
  link.channel.destroy();
  again.channel.destroy();
});

it('does not let in another secret, and does not talk to another certificate', async () => {
  await using at = await door();
  const { fingerprint, secret } = parseToken(at.listener.token ?? '');
  const guessed = await at.dial(formatToken({ fingerprint, secret: Buffer.alloc(secret.length) }));
  expect(await guessed.channel.receive()).toBeUndefined();
  const stranger = formatToken({ fingerprint: Buffer.alloc(fingerprint.length), secret });
  await expect(at.dial(stranger)).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
  expect(at.links).toHaveLength(0);
});

it('closes what is neither TLS nor a page stream that somebody waits for', async () => {
  await using at = await door();
  for (const first of ['FRAZILC1', 'GET / HTTP/1.1\r\n', `FRAZILP1${'x'.repeat(17)}`, '\x16\x03\x01\x00\x05hello']) {
    const socket = connect(at.listener.address as { host: string; port: number });
    socket.on('error', () => {});
    socket.write(first);
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  }
  expect(at.links).toHaveLength(0);
});

it('closes the page streams of a source that ends before it has brought all', async () => {
  await using at = await door();
  const abort = new AbortController();
  const streams = at.listener.streams(ID, 2, abort.signal);
  const closed = [0, 0].map((stream) => {
    const socket = connect(at.listener.address as { host: string; port: number });
    socket.on('error', () => {}).resume();
    socket.write(pagesPreamble(ID, stream));
    return new Promise((resolve) => socket.once('close', resolve));
  });
  // Of two for one place one is taken, and the other closed.
  await Promise.race(closed);
  abort.abort();
  await expect(streams).rejects.toMatchObject({ code: 'ABORTED' });
  await Promise.all(closed);
  await expect(at.listener.streams(ID, 1, abort.signal)).rejects.toMatchObject({ code: 'ABORTED' });
});

it('says what it needs before anything is sent', () => {
  const wrong: readonly (() => SourceSecurity)[] = [
    () => sourceSecurity({}, ANY),
    () => sourceSecurity({ token: 'fz1-xyz' }, ANY),
    () => sourceSecurity({ token: 'fz1-xyz', plaintext: true }, ANY),
  ];
  for (const choose of wrong) expect(choose).toThrow(RangeError);
  expect(sourceSecurity({}, parseAddress('unix:/tmp/x'))).toEqual({ kind: 'plaintext' });
});
