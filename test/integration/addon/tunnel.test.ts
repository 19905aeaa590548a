// A plain connection through an encrypted one, between two ends in this process.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Fd } from '../../../src/addon/fd.js';
import { streamPair } from '../../../src/addon/sockets.js';
import { runTunnel } from '../../../src/addon/tunnel.js';

const KEYS = [randomBytes(32), randomBytes(32)] as const;

const socketOf = (fd: Fd): Socket => new Socket({ fd: fd.take(), readable: true, writable: true });

function end(outer: Fd, keys: readonly [Uint8Array, Uint8Array]) {
  const [plain, inner] = streamPair();
  const job = runTunnel({ outer, inner, keys });
  return {
    plain: socketOf(plain),
    ended: job.done.then(
      () => 'ended',
      (error: unknown) => error,
    ),
  };
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  let got: Buffer = Buffer.alloc(0);
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    got = Buffer.concat([got, piece as Buffer]);
    if (got.length >= bytes) break;
  }
  return got;
}

describe('a tunnel', () => {
  it('carries bytes both ways, at once, in whatever pieces', async () => {
    const [left, right] = streamPair();
    const here = end(left, KEYS);
    const there = end(right, [KEYS[1], KEYS[0]]);
    const [up, down] = [randomBytes(3 * 2 ** 20 + 1), randomBytes(33)];
    here.plain.write(up);
    there.plain.write(down);
    expect((await read(there.plain, up.length)).equals(up)).toBe(true);
    expect((await read(here.plain, down.length)).equals(down)).toBe(true);
    here.plain.destroy();
    expect(await here.ended).toBe('ended');
    await once(there.plain.resume(), 'close');
    expect(await there.ended).toBe('ended');
  });

  it('shows on the wire neither what goes through it nor the same thing twice', async () => {
    const [left, right] = streamPair();
    const here = end(left, KEYS);
    const wire = socketOf(right);
    const text = Buffer.from('a page that nobody is to read');
    here.plain.write(text);
    const first = await read(wire, 4 + text.length + 16);
    here.plain.write(text);
    const second = await read(wire, first.length);
    expect(first.readUInt32LE(0)).toBe(text.length);
    expect(first.includes(text)).toBe(false);
    expect(second.equals(first)).toBe(false);
    wire.destroy();
    await here.ended;
  });

  const faults = {
    'a bit that was turned': (record: Buffer) => [
      Buffer.concat([record.subarray(0, 9), Buffer.from([(record[9] ?? 0) ^ 1]), record.subarray(10)]),
    ],
    'a record that came before': (record: Buffer) => [record, record],
  };
  for (const [what, forge] of Object.entries(faults)) {
    it(`ends at ${what}, and gives nothing of it out`, async () => {
      const [left, right] = streamPair();
      const [from, to] = streamPair();
      const here = end(left, KEYS);
      const there = end(to, [KEYS[1], KEYS[0]]);
      const wire = [socketOf(right), socketOf(from)] as const;
      here.plain.write(Buffer.alloc(100, 7));
      const record = await read(wire[0], 4 + 100 + 16);
      for (const piece of forge(record)) wire[1].write(piece);
      const got = await read(there.plain, 200);
      expect(got.length).toBe(what.startsWith('a bit') ? 0 : 100);
      expect(await there.ended).toMatchObject({ code: 'IO', detail: { errno: 'EBADMSG' } });
      for (const socket of [...wire, here.plain, there.plain]) socket.destroy();
      await here.ended;
    });
  }

  it('ends at a length that cannot be', async () => {
    const [left, right] = streamPair();
    const here = end(left, KEYS);
    const wire = socketOf(right);
    wire.write(Buffer.from([0xff, 0xff, 0xff, 0x7f]));
    expect(await here.ended).toMatchObject({ code: 'IO', detail: { errno: 'EPROTO' } });
    wire.destroy();
    here.plain.destroy();
  });
});
