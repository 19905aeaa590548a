// The first words with the destination: what will come, and whether it may.

import { readlink } from 'node:fs/promises';
import { arch, release } from 'node:os';
import type { Located } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Link, SourceChannel } from '../wire/connect.js';
import { PROTOCOL_VERSION } from '../wire/messages.js';
import { hostFacts } from './host-facts.js';
import { type MigrationPlan, mayLeave } from './opened.js';

// A tree may grow while it moves, and every page of it may travel in every iteration.
const MAX_GROWTH = 64;
const MIN_BYTES = 2 ** 30;

export interface Introduction {
  readonly plan: MigrationPlan;
  readonly id: string;
  readonly criu: Located;
  readonly link: Link;
  readonly bytes: number;
  readonly pids: readonly number[];
  readonly streams: number;
  readonly signal: AbortSignal;
}

/** The session that page streams are for, and what pages may be compressed with. */
export async function introduce({
  plan,
  id,
  criu,
  link,
  bytes,
  pids,
  streams,
  signal,
}: Introduction): Promise<Welcome> {
  await link.channel.send({
    type: 'hello',
    version: PROTOCOL_VERSION,
    id,
    pid: plan.pid,
    tasks: (await sharesPids(plan.pid)) ? pids : [],
    bytes,
    maxBytes: Math.max(MIN_BYTES, bytes) * MAX_GROWTH,
    streams,
    leaves: mayLeave(plan.options),
    kernel: release(),
    machine: arch(),
    facts: await hostFacts({ criu: criu.path, pids, signal }),
    container: plan.vessel?.hello,
  });
  return expectMessage(link.channel, 'welcome');
}

// A tree in a pid namespace of its own brings it along: its pids are free there.
async function sharesPids(pid: number): Promise<boolean> {
  const links = ['self', pid].map((who) => readlink(`/proc/${who}/ns/pid`).catch(() => ''));
  const [ours, theirs] = await Promise.all(links);
  return ours !== '' && ours === theirs;
}

type Welcome = Extract<Heard, { type: 'welcome' }>;
type Heard = NonNullable<Awaited<ReturnType<SourceChannel['receive']>>>['message'];

/** Rejects with PROTOCOL, or with what the destination has refused for (RESTORE_REFUSED, IO). */
export async function expectMessage<T extends Heard['type']>(
  channel: SourceChannel,
  type: T,
): Promise<Extract<Heard, { type: T }>> {
  const got = await channel.receive();
  if (got?.message.type === type) return got.message as Extract<Heard, { type: T }>;
  if (got?.message.type === 'gone') throw refusal(got.message);
  const received = got?.message.type ?? 'the end of the connection';
  throw new CheckpointError('PROTOCOL', `Cannot migrate: ${received} came, where "${type}" was expected`, {
    received,
    expected: type,
  });
}

function refusal({ code, message }: Extract<Heard, { type: 'gone' }>): CheckpointError {
  const text = `Cannot migrate: the destination refused: ${message}. The tree runs on here`;
  if (code === 'RESTORE_REFUSED') return new CheckpointError(code, text, { causes: [], logExcerpt: [] });
  return new CheckpointError(code === 'IO' ? code : 'PROTOCOL', text, {});
}
