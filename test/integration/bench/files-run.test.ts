// Work on files, without CRIU: whoever answers wrongly is found out.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runFiles } from '../../../src/bench/files-run.js';
import { prepareTools } from '../../../src/bench/host/tools.js';
import { WrongBytes } from '../../../src/bench/host/verify.js';
import { FILES_PEERS } from '../../../src/bench/peers/files.js';
import type { FilesPeer } from '../../../src/bench/peers/peer.js';
import { RunFailure, type RunJob, type RunOutcome } from '../../../src/bench/run.js';
import { chooseScenario } from '../../../src/bench/scenarios.js';
import { tempDir } from '../../helpers/temp-dir.js';

const tools = await prepareTools();

async function run(scenario: string, peer: FilesPeer): Promise<RunOutcome> {
  await using dir = tempDir();
  const folders = { control: join(dir.path, 'control'), images: join(dir.path, 'images'), remove: async () => {} };
  mkdirSync(folders.control);
  mkdirSync(folders.images);
  const job: RunJob = {
    tools,
    host: { criuPath: 'none', criuVersion: 'none', softDirty: false },
    scenario: chooseScenario({ scenario, sizeBytes: 2 ** 24 }),
    folders,
    seed: 1,
    restore: false,
    enter: () => {},
  };
  return await runFiles(peer, job);
}

function peerNamed(name: string): FilesPeer {
  const found = FILES_PEERS.find((peer) => peer.name === name);
  if (found === undefined) throw new Error(`no peer ${name}`);
  return found;
}

/** Runs the peer's command and then changes what it gave. */
function lying(name: string, after: string): FilesPeer {
  const peer = peerNamed(name);
  const command: FilesPeer['command'] = (job) => {
    return ['sh', '-c', `out=$1; shift; "$@" ${after}`, 'sh', job.output, ...peer.command(job)];
  };
  return { ...peer, command };
}

describe('runFiles()', () => {
  it.each(['grep', 'frazil-search'])('archive/search: %s finds every needle', async (name) => {
    const { verified, figures } = await run('archive/search', peerNamed(name));
    expect(verified).toEqual({ kind: 'answer', answer: '8 matches' });
    expect(figures.throughput).toBeGreaterThan(0);
  });

  it('archive/decode: Frazil writes the text that the entries were made for', async () => {
    const { verified } = await run('archive/decode', peerNamed('frazil-decode'));
    expect(verified).toMatchObject({ kind: 'answer' });
  });

  it.each([
    ['archive/search', lying('grep', '| head -n 7')],
    ['archive/search', lying('grep', '| sed s/^1/2/')],
    ['archive/decode', lying('frazil-decode', '&& printf " " >> "$out"')],
  ])('%s: other bytes are wrong bytes', async (scenario, peer) => {
    await expect(run(scenario, peer)).rejects.toThrow(WrongBytes);
  });

  it('a peer that fails is not compared', async () => {
    const failing = { ...peerNamed('grep'), command: () => ['false'] };
    await expect(run('archive/search', failing)).rejects.toThrow(RunFailure);
  });
});
