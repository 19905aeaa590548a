// One migration that is admitted, from its connections to the end of its copy: what its reception works with.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openPace } from '../pace.js';
import type { LeftConnection } from '../wire/left.js';
import type { DestinationLink, Listener } from '../wire/listen.js';
import type { Hello } from '../wire/messages.js';
import { makeCopy } from './copy.js';
import { makeSample, measureFillRate } from './fill-rate.js';
import type { Guardian } from './guarded.js';
import { openJoined } from './joined.js';
import { type Extent, openLevels } from './levels.js';
import type { ReceiveOptions } from './options.js';
import { Reception, type ReceptionOptions } from './reception.js';
import type { AcceptedVessel } from './vessel.js';

export interface Taking {
  readonly link: DestinationLink;
  readonly hello: Hello;
  readonly vessel: AcceptedVessel;
  readonly options: ReceiveOptions;
  readonly listener: Listener;
  readonly guardian: Guardian;
  /** Of the receiver; this migration has one of its own in it. */
  readonly folder: string;
  /** Of the receiver. */
  readonly ending: AbortSignal;
  /** Whoever comes back to ask is sent there. */
  readonly onReception: (reception: Reception) => void;
  /** It is decided. */
  readonly onDecided: (reception: Reception, wireBytes: number) => void;
}

/** Resolves when it is over one way or the other. Rejects, for who called to tell the source, before onReception() only. */
export async function take(taking: Taking): Promise<void> {
  const { link, hello, vessel, listener, guardian, folder, ending } = taking;
  const { channel } = link;
  const rootThere = vessel.container?.rootThere === true;
  // Nothing is to come before the connections are there; but the end may.
  const first = channel.receive();
  await using joined = await openJoined({ link, hello, first, listener, rootThere, ending });
  const { streams, keys, left } = joined;
  const directory = join(folder, hello.id);
  const workDir = join(directory, 'work');
  await mkdir(workDir, { mode: 0o700, recursive: true });
  await using levels = openLevels({ directory, streams, keys, maxBytes: hello.maxBytes, signal: ending });
  const measure = await measuring(directory, taking);
  const reception = new Reception(channel, {
    levels,
    makeCopy: copying(taking, { workDir, left }),
    writeTree: writing(vessel),
    networkSwitch: taking.options.networkSwitch,
    measure,
    ...recording(taking, workDir),
  });
  taking.onReception(reception);
  await channel.send({ type: 'streams' });
  void reception.follow(channel, first);
  await reception.decided;
  for (const stream of streams) stream.close();
  if (reception.tree !== undefined) vessel.container?.keep();
  // What was made for it is not needed while a source may still ask.
  // Whoever opened it tries again at the end: what cannot be taken away now changes nothing about the tree.
  await Promise.resolve(vessel[Symbol.asyncDispose]()).catch(() => {});
  taking.onDecided(reception, levels.counters().wireBytes);
  await reception.ended;
  await guardian.tell({ kind: 'settled', id: hello.id }).catch(() => {});
  await channel.close();
}

async function measuring(directory: string, { options, ending }: Taking): Promise<ReceptionOptions['measure']> {
  const sample = await makeSample(directory);
  const pace = openPace(options.criu, ending);
  return async () => ({ fillBytesPerSecond: await measureFillRate(sample), paceMs: await pace() });
}

interface Means {
  readonly workDir: string;
  readonly left: LeftConnection | undefined;
}

function copying({ vessel, options }: Taking, { workDir, left }: Means): ReceptionOptions['makeCopy'] {
  const { container } = vessel;
  const { restore, criu } = options;
  return async (directory, needs, extent) => {
    if (extent === 'lacking' && (left === undefined || container !== undefined)) throw unannounced();
    if (container !== undefined) return container.makeCopy({ directory, workDir, needs });
    const { descriptors: _descriptors, ...told } = needs;
    return makeCopy({ directory, workDir, options: { ...told, ...restore }, criu, ...leftOf(extent, left) });
  };
}

function writing({ container }: AcceptedVessel): ReceptionOptions['writeTree'] {
  return async (piece, bytes) => {
    if (container === undefined)
      throw new CheckpointError('PROTOCOL', 'Cannot take files: no container was announced', {});
    return container.write(piece, bytes);
  };
}

function recording(
  { guardian, hello: { id }, listener }: Taking,
  workDir: string,
): Pick<ReceptionOptions, 'record' | 'recordFilled'> {
  return {
    record: (held, extent) => {
      const charge = { id, ...held, workDir, lacking: extent === 'lacking', door: listener.keys };
      return guardian.tell({ kind: 'charge', charge });
    },
    recordFilled: () => guardian.tell({ kind: 'filled', id }),
  };
}

function leftOf(extent: Extent, left: LeftConnection | undefined): { readonly left?: Fd } {
  return extent === 'whole' || left === undefined ? {} : { left: left.socket };
}

function unannounced(): CheckpointError<'PROTOCOL'> {
  const received = 'a tree without its pages';
  return new CheckpointError('PROTOCOL', `Cannot take ${received}: that was not announced`, { received });
}
