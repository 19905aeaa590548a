import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { INDEX_TAIL_BYTES, parseIndex, parseIndexTail, renderIndex } from '../../../src/archive/frazil-index.js';

const INDEX = {
  profile: 'neutral',
  frameBytes: 262144,
  members: [
    { name: 'checkpoint/pages-1.img', at: 8192, bytes: 4096, pagesId: 1, sha256: 'ab'.repeat(32) },
    { name: 'checkpoint/inventory.img', at: 12800, bytes: 52 },
  ],
};

describe('renderIndex()', () => {
  it('is read back by parseIndex(), and found by its last 512 bytes', () => {
    const content = renderIndex(INDEX, 20480);
    expect(content.length % INDEX_TAIL_BYTES).toBe(0);
    expect(parseIndexTail(content.subarray(-INDEX_TAIL_BYTES))).toEqual({ at: 20480, bytes: content.length });
    expect(parseIndex(content, 'a.tar')).toEqual({
      ...INDEX,
      seal: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });

  it('keeps the signature of the digest of the whole', () => {
    const signature = { kind: 'ed25519', publicKey: 'AA==', value: 'BB==' } as const;
    let seen: Uint8Array | undefined;
    const content = renderIndex(INDEX, 0, (digest) => {
      seen = digest;
      return signature;
    });
    const { seal } = parseIndex(content, 'a.tar');
    expect(seal).toEqual({ sha256: Buffer.from(seen ?? []).toString('hex'), signature });
  });
});

describe('parseIndex()', () => {
  it('refuses an index in which any byte in front of the seal was changed', () => {
    const content = renderIndex(INDEX, 20480);
    const sealed = content.indexOf('{"seal"');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: sealed - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(content);
        changed[at] = (changed[at] ?? 0) ^ change;
        expect(() => parseIndex(changed, 'a.tar')).toThrowError(
          expect.objectContaining({ code: 'ARCHIVE_CORRUPT', detail: { archive: 'a.tar', member: 'frazil.index' } }),
        );
      }),
    );
  });

  it('refuses any text that is cut short, and throws nothing else for any bytes', () => {
    const content = renderIndex(INDEX, 20480);
    for (let length = 0; length < content.length - INDEX_TAIL_BYTES; length += 7)
      expect(() => parseIndex(content.subarray(0, length), 'a.tar')).toThrow('a.tar');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => parseIndex(bytes, 'a.tar')).toThrow('Cannot read the archive "a.tar"');
      }),
    );
  });

  it('ignores keys that it does not know and refuses another version', () => {
    const content = renderIndex(INDEX, 0).toString().replace('"frazilIndex":1', '"frazilIndex":2');
    expect(() => parseIndex(Buffer.from(content), 'a.tar')).toThrow('its version is not 1');
  });
});
