// Random images of every type, those of other architectures and of old CRIUs included, against Debian's crit: what both read, both say
// alike; what crit says, we write back.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Image } from '../../src/images/codec/decode.js';
import { encodeImage } from '../../src/images/codec/encode.js';
import { IMAGE_NAMES, type ImageName } from '../../src/images/codec/types.js';
import { runCli } from '../helpers/cli-in-process.js';
import { critHere, runCrit } from '../helpers/crit.js';
import { testWith } from '../helpers/needs.js';
import { tempDir } from '../helpers/temp-dir.js';
import { arbitraryImage } from '../unit/images/arbitrary-image.js';

const SEED = 4_2_1;
const IMAGES_OF_A_TYPE = 20;

/** crit has a magic and no reader for these. */
const UNREADABLE: ReadonlySet<ImageName> = new Set(['SIGNAL', 'BINFMT_MISC', 'PIDFD']);

/** What crit reads or writes wrongly, and Frazil does not: docs/images.md. */
function isBeyondCrit(image: Image): boolean {
  const text = JSON.stringify(image, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  // crit takes the segment's bytes from the entries behind, where they are in another file.
  if (image.name === 'IPCNS_SHM') return text.includes('"in_pagemaps":true');
  // crit has one word or four in mind.
  const addresses = [...text.matchAll(/"(?:src_addr|dst_addr|local|remote|rd_prefix|relay_prefix)":\[([\d,]+)\]/g)];
  return addresses.some(([, words = '']) => ![1, 4].includes(words.split(',').length));
}

interface Job {
  readonly line: readonly string[];
  readonly bytes: Buffer;
}

/** Writes images of the type into `dir`, and says how they are to be read. */
function jobsOf(name: ImageName, dir: string): readonly Job[] {
  const images = fc.sample(arbitraryImage(name), { numRuns: IMAGES_OF_A_TYPE, seed: SEED });
  const readable = images.filter((image) => !isBeyondCrit(image));
  expect(readable.length).toBeGreaterThan(1);
  return readable.flatMap((image, i) => {
    const path = join(dir, `${name}-${i}.img`);
    const bytes = encodeImage(image);
    writeFileSync(path, bytes);
    return [[], ['--pretty']].map((form) => ({ line: ['decode', '-i', path, ...form], bytes }));
  });
}

testWith([critHere], 'random images of every type are read and written as crit does', async () => {
  await using dir = tempDir();
  const jobs = IMAGE_NAMES.filter((name) => !UNREADABLE.has(name)).flatMap((name) => jobsOf(name, dir.path));
  const theirs = await runCrit(jobs.map(({ line }) => line));
  const [json, again] = [join(dir.path, 'json'), join(dir.path, 'again')];
  for (const [i, { line, bytes }] of jobs.entries()) {
    const ours = await runCli(['images', ...line]);
    expect({ line, ...ours }).toEqual({ line, ...theirs[i] });
    writeFileSync(json, ours.stdout, 'latin1');
    expect(await runCli(['images', 'encode', '-i', json, '-o', again])).toMatchObject({ status: 0, stderr: '' });
    expect({ line, bytes: readFileSync(again, 'hex') }).toEqual({ line, bytes: bytes.toString('hex') });
  }
});
