// What --lazy adds to the restore of the command line.

import { resolve } from 'node:path';
import type { PeerAddress } from '../../criu/lazy/options.js';
import type { FillReport, LazyOptions } from '../../criu/restore.js';
import type { Tree } from '../../criu/tree.js';
import type { Context } from '../context.js';
import { follow } from '../follow.js';
import type { LazyPreferences } from '../parse/preferences.js';
import { isOn, lastValue, type Settings } from '../parse/settings.js';
import { bytes, counted, micros, millis } from '../print/units.js';
import { UsageError } from '../usage-error.js';

/** What CRIU's command line says of a page server, where it fetches pages from one. */
export const PEER_OPTIONS: readonly string[] = ['page-server', 'address', 'port'];

/** Throws UsageError for one that cannot be connected to. */
export function peerOf(settings: Settings, topic: string): PeerAddress | undefined {
  if (!isOn(settings, 'page-server')) return undefined;
  const address = lastValue(settings, 'address') ?? '127.0.0.1';
  const port = portOf(settings, topic);
  if (port === undefined || port === 0) throw new UsageError('--page-server: --port N is needed to find it', topic);
  return { address, port };
}

const MAX_PORT = 65535;

export function portOf(settings: Settings, topic: string): number | undefined {
  const text = lastValue(settings, 'port');
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text) || Number(text) > MAX_PORT)
    throw new UsageError(`--port: a number up to ${MAX_PORT} expected, not "${text}"`, topic);
  return Number(text);
}

/** Paths are about the directory that the command was given in. */
export function lazyCall(preferences: LazyPreferences, settings: Settings): { readonly lazy?: LazyOptions } {
  const { lazy, copies, record, replay, bytesPerSecond, cacheBytes } = preferences;
  if (!lazy) {
    const orders = { '--record': record, '--replay': replay };
    const given = { '--copies': copies, ...orders, '--fill-rate': bytesPerSecond, '--cache': cacheBytes };
    const needing = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
    if (needing !== undefined) throw new UsageError(`${needing} is about a lazy restore: give --lazy too`, 'restore');
    return {};
  }
  if (isOn(settings, 'tls')) throw new UsageError("--lazy does not speak the TLS of CRIU's page servers", 'restore');
  const pageServer = peerOf(settings, 'restore');
  return { lazy: { ...(pageServer === undefined ? {} : { pageServer }), ...fillOptions(preferences) } };
}

/** How to fill, whoever restores. */
export function fillOptions({ record, replay, bytesPerSecond, cacheBytes }: LazyPreferences): LazyOptions {
  return {
    ...(record === undefined ? {} : { record: resolve(record) }),
    ...(replay === undefined ? {} : { replay: resolve(replay) }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
  };
}

export interface Filled extends Pick<Tree, 'filling'> {
  /** For messages: "process 7". */
  readonly of: string;
  /** They are more than one. */
  readonly several?: true;
}

/**
 * Shows the fill to its end. A Ctrl-C leaves it to itself, as the server does not need us: then there is no report. Rejects when the
 * tree had to be killed.
 */
export async function watchFill(filled: Filled, context: Context): Promise<FillReport | undefined> {
  const { filling, of, several } = filled;
  if (filling === undefined) return undefined;
  const { terminal, preferences, interruption } = context;
  let restoreSignals = (): void => {};
  const left = new Promise<undefined>((leave) => {
    restoreSignals = interruption.divert(() => {
      const goesOn = several ? 'run on, and their' : 'runs on, and its';
      terminal.say(`frazil: ${of} ${goesOn} memory is filled without us`);
      leave(undefined);
    });
  });
  try {
    const report = await Promise.race([follow(filling, context), left]);
    if (report !== undefined && !preferences.json && !preferences.quiet) terminal.say(summary(filled, report));
    return report;
  } finally {
    restoreSignals();
  }
}

function summary(
  { of, several }: Filled,
  { firstInstructionMs, filledMs, faults, faultLatencyUs, bytes: { copied, zero, shared, dropped } }: FillReport,
): string {
  const { p50, p99, max } = faultLatencyUs;
  const waits = faults === 0 ? '' : `: p50 ${micros(p50)}, p99 ${micros(p99)}, at most ${micros(max)}`;
  const parts = [
    `${bytes(copied)} copied`,
    `${bytes(zero)} zero`,
    ...(shared === 0 ? [] : [`${bytes(shared)} of it shared`]),
    // By tasks that have unmapped it, or have ended.
    ...(dropped === 0 ? [] : [`${bytes(dropped)} given up`]),
    `${counted(faults, 'fault')}${waits}`,
  ];
  return (
    `${of.replace(/^./, (first) => first.toUpperCase())} ran after ${millis(firstInstructionMs)} ` +
    `and ${several ? 'have all of their' : 'has all of its'} memory after ${millis(filledMs)}: ${parts.join(', ')}`
  );
}
