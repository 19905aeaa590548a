import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { callLibcriu } from '../../../src/addon/libcriu.js';
import { receive, seqpacketPair } from '../../../src/addon/sockets.js';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { openLibcriu } from '../../../src/rpc/libcriu.js';
import { need, testWith } from '../../helpers/needs.js';
import { home } from '../../helpers/prefix.js';
import { fdsOf } from '../../helpers/procfs.js';

const simulator = fileURLToPath(new URL('../../helpers/criu-simulator.mjs', import.meta.url));
const library = join(home, 'libcriu', 'libcriu.so.2');
const here = need('libcriu in the private prefix', !existsSync(library) && `no ${library}; run scripts/setup`);

test.each([
  ['a path where nothing is', '/nonexistent/libcriu.so.2', /No such file/],
  ['a name that nobody has', 'libcriu-of-nobody.so.2', /No such file/],
  ['a file that is no library', simulator, /invalid ELF header/],
  ['a library that is another one', 'libc.so.6', /this libcriu has no criu_local_get_version/],
])('openLibcriu() refuses %s', async (_, path, message) => {
  const before = Object.keys(fdsOf('self')).length;
  const error = await openLibcriu({ criu: simulator, library: path }).catch((reason: unknown) => reason);
  expect(CheckpointError.is(error, path === 'libc.so.6' ? 'FEATURE_MISSING' : 'LIBCRIU_MISSING')).toBe(true);
  expect(String(error)).toMatch(message);
  await expect.poll(() => Object.keys(fdsOf('self')).length).toBeLessThanOrEqual(before);
});

testWith([here], 'a second call of libcriu at the same time is refused, and a cancel ends the first', async () => {
  const before = Object.keys(fdsOf('self')).length;
  const ends = seqpacketPair();
  const [service, peer] = ends;
  const [channel, ours] = seqpacketPair();
  const call = { library, symbol: 'criu_local_get_version', setters: [] };
  // Nobody answers on the other end, so that the first one waits.
  const first = callLibcriu(call, { service, channel });
  expect((await receive(peer).done)?.bytes.length).toBeGreaterThan(0);
  expect((await callLibcriu(call, { service: peer, channel }).done).kind).toBe('busy');
  first.cancel();
  const outcome = await first.done;
  expect(outcome).toMatchObject({ kind: 'returned' });
  expect(outcome.value).toBeLessThan(0);
  for (const fd of [service, peer, channel, ours]) fd.close();
  await expect.poll(() => Object.keys(fdsOf('self')).length).toBeLessThanOrEqual(before);
});
