import { expect, test } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { decodeEntry, entryFields } from '../../../src/schema/images.js';
import { decodeRequest, decodeResponse, encodeRequest } from '../../../src/schema/rpc-codec.js';

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('encodeRequest() writes VERSION in the two bytes that CRIU expects', () => {
  expect(Buffer.from(encodeRequest({ type: 'VERSION' })).toString('hex')).toBe('080a');
});

test('encodeRequest() always writes images_dir_fd, also when it is -1', () => {
  const bytes = encodeRequest({ type: 'CHECK', opts: { images_dir_fd: -1 } });
  expect(Buffer.from(bytes).toString('hex')).toBe('0803120b08ffffffffffffffffff01');
});

test('decodeResponse() reads the answer of CRIU 4.2.1 to VERSION', () => {
  expect(decodeResponse(Buffer.from('080a1001520608041002' + '2001', 'hex'))).toEqual({
    type: 'VERSION',
    success: true,
    version: { major_number: 4, minor_number: 2, sublevel: 1 },
  });
});

test('decodeResponse() passes on a response type of a newer CRIU', () => {
  expect(decodeResponse(Buffer.from('08631001', 'hex')).type).toEqual({ kind: 'unknown', raw: 99 });
});

test.each([
  ['nothing at all', ''],
  ['no success', '080a'],
  ['a string that ends early', '080a10014a7f61'],
  ['text', Buffer.from('Usage: criu swrk <fd>').toString('hex')],
])('decodeResponse() throws PROTOCOL for %s', (_, hex) => {
  const error = thrownBy(() => decodeResponse(Buffer.from(hex, 'hex')));
  expect(CheckpointError.is(error, 'PROTOCOL')).toBe(true);
});

test('decodeEntry() throws IMAGES_CORRUPT and names the field that is missing', () => {
  const error = thrownBy(() => decodeEntry('pstree_entry', Buffer.from('0801', 'hex')));
  expect(CheckpointError.is(error, 'IMAGES_CORRUPT')).toBe(true);
  expect(String(error)).toContain('Cannot decode pstree_entry: no ppid');
});

test("entryFields() hands out crit's annotations", () => {
  const [start, , , , prot] = entryFields('vma_entry');
  expect(start).toMatchObject({ name: 'start', id: 1, annotations: ['hex'] });
  expect(prot).toMatchObject({ name: 'prot', annotations: ['flags:mmap.prot'] });
});

test('decodeRequest() is the inverse of encodeRequest()', () => {
  const request = {
    type: 'DUMP',
    opts: { images_dir_fd: 9, pid: 42, ps: { fd: 5 }, external: ['mnt[/a]:b'] },
  } as const;
  expect(decodeRequest(encodeRequest(request))).toEqual(request);
});
