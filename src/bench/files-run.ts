/**
 * One run of work on files: they are made, which leaves them in the page cache for whoever is measured; one command under the meter; what it
 * left or printed is compared with what the files were made of.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeHaystack, makePagemap } from './host/made-pages.js';
import { type Cost, figuresOf, meter } from './host/meter.js';
import { PAGE_BYTES, Target } from './host/target.js';
import { unpackTar } from './host/unpack.js';
import { verifyImages, WrongBytes } from './host/verify.js';
import type { Figures, Verification } from './model.js';
import type { FilesJob, FilesPeer } from './peers/peer.js';
import { dumpTree } from './restore-run.js';
import { RunFailure, type RunJob, type RunOutcome } from './run.js';

/** What a command works on, and how what came of it is looked at. */
interface Prepared {
  readonly input: string;
  readonly needle: string;
  readonly bytes: number;
  check(output: string, stdout: string): Promise<Verification>;
}

/** Throws RunFailure or WrongBytes for what the peer did wrong; anything else is the harness's own trouble. */
export async function runFiles(peer: FilesPeer, job: RunJob): Promise<RunOutcome> {
  const { folders, tools, signal } = job;
  job.enter('filling');
  const prepared = await PREPARE[peer.group](job);
  const output = join(folders.images, 'output.tar');
  const asked: FilesJob = { ...job, input: prepared.input, output, needle: prepared.needle };
  job.enter('measuring');
  const cost = await meter({ run: tools.run, command: peer.command(asked), env: {}, workDir: folders.control, signal });
  if (cost.exit !== 0) throw new RunFailure(`${peer.name} exited with ${cost.exit}`, { log: cost.stderr.slice(-2000) });
  job.enter('verifying');
  const verified = await prepared.check(output, cost.stdout);
  return { figures: collect(peer, cost, prepared.bytes), verified };
}

function collect(peer: FilesPeer, cost: Cost, bytes: number): Figures {
  return { ...figuresOf(cost, bytes), ...peer.read?.(cost.stdout) };
}

type Prepare = (job: RunJob) => Promise<Prepared>;

const PREPARE: Readonly<Record<FilesPeer['group'], Prepare>> = {
  directory: prepareDirectory,
  decode: preparePagemap,
  search: prepareHaystack,
};

// Dumped by CRIU, of a tree that then runs on, so that it can be asked.
async function prepareDirectory(job: RunJob): Promise<Prepared> {
  const { scenario, folders, seed, tools, signal } = job;
  const imagesDir = join(folders.images, 'checkpoint');
  await mkdir(imagesDir);
  const fifo = join(folders.control, 'fifo');
  await using target = await Target.start({ program: tools.target, fifo, scenario, seed, signal });
  await dumpTree({ ...job, pid: target.pid, imagesDir, workDir: folders.control }, signal);
  const { arenas } = target;
  return {
    input: folders.images,
    needle: '',
    bytes: arenas.reduce((sum, { pages }) => sum + pages, 0) * PAGE_BYTES,
    async check(output) {
      const out = join(folders.images, 'unpacked');
      await unpackTar(output, out);
      return {
        kind: 'images',
        ...(await verifyImages(tools.verify, join(out, 'checkpoint'), arenas)),
        restored: false,
      };
    },
  };
}

async function preparePagemap({ scenario: { sizeBytes }, folders }: RunJob): Promise<Prepared> {
  const { path, bytes, digest } = await makePagemap(folders.images, Math.floor(sizeBytes / PAGE_BYTES));
  return {
    input: path,
    needle: '',
    bytes,
    async check(output) {
      const found = await digestOf(output);
      if (found === digest) return { kind: 'answer', answer: digest };
      throw new WrongBytes(`the JSON has the digest ${found}, that of the pagemap's entries is ${digest}`);
    },
  };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

async function prepareHaystack({ scenario: { sizeBytes }, folders }: RunJob): Promise<Prepared> {
  const { needle, offsets, firstAddress } = await makeHaystack(folders.images, sizeBytes);
  const wanted = offsets.join(' ');
  return {
    input: folders.images,
    needle,
    bytes: sizeBytes,
    async check(_, stdout) {
      const found = placesIn(stdout, firstAddress).join(' ');
      if (found === wanted) return { kind: 'answer', answer: `${offsets.length} matches` };
      throw new WrongBytes(`the needle is at ${wanted.slice(0, 200)}..., it was found at ${found.slice(0, 200)}...`);
    },
  };
}

// Offsets in the pages file: grep's lines "OFFSET:TEXT", or addresses in an object.
function placesIn(stdout: string, firstAddress: number): readonly number[] {
  if (!stdout.startsWith('{')) {
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => Number(line.split(':', 1)[0]));
  }
  return [...stdout.matchAll(/"address":\s*"(0x[0-9a-f]+)"/g)].map(([, address]) => Number(address) - firstAddress);
}
