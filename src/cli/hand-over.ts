// CRIU itself does it, in our place: this process becomes CRIU, with the same pid, parent, terminal and exit status, so that a tree
// restored as a sibling is the caller's child and `swrk N` talks to whoever holds the other end. Only with --json, which promises an
// object at the end, CRIU runs as our child. docs/adr/0005 has what follows from both.

import { setImmediate as turn } from 'node:timers/promises';
import { type Located, locate } from '../criu/locate.js';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { softLimitOfParent } from './as-started.js';
import type { Context } from './context.js';
import type { CriuCommand } from './parse/command-line.js';
import { isOn, type Settings } from './parse/settings.js';
import { UsageError } from './usage-error.js';

const STANDARD_FDS = 3;

/** Resolves with the status to exit with, when CRIU was a child; otherwise does not come back. Throws CRIU_MISSING, and IO when it cannot be executed. */
export async function handOver(command: CriuCommand, settings: Settings, context: Context): Promise<number> {
  const { criu, json } = context.preferences;
  if (context.preferences.sync)
    throw new UsageError('--sync: CRIU itself does this command, and does not sync', command.word);
  if (json && command.word === 'restore' && isOn(settings, 'restore-sibling'))
    throw new UsageError(
      "--json: with --restore-sibling CRIU takes Frazil's place, so that the tree is the caller's child, and prints no object. Use --pidfile",
      command.word,
    );
  const located = await locate({ criu, env: context.env });
  const fds = namedFds(command, settings);
  if (!json) return become(located, command.passOn, { fds, context });
  const { runAsChild } = await import('./criu-child.js');
  return runAsChild(located, command, { fds, settings, context });
}

/** With the same fds 0 to 2, and `fds`. Throws IO when it cannot be executed. */
export async function become(
  { path }: Pick<Located, 'path'>,
  passOn: readonly string[],
  { fds, context }: { readonly fds: readonly number[]; readonly context: Context },
): Promise<never> {
  const { exec } = await import('../addon/exec.js');
  const openFiles = softLimitOfParent();
  // A signal that came while we were starting is ours to obey: it would be lost with our handlers.
  await turn();
  if (context.interruption.signal.aborted)
    throw new CheckpointError('ABORTED', `Cannot start "${path}": a signal came first`, {});
  return exec({
    file: path,
    argv: [path, ...passOn],
    env: Object.entries(context.env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
    keep: fds,
    nonblocking: context.nonblocking,
    ...(openFiles === undefined ? {} : { openFiles }),
  });
}

/** The fds above 2 that the arguments name: Node marks every other one as its own, so they would not reach CRIU. */
export function namedFds({ word, operands, passOn }: CriuCommand, settings: Settings): readonly number[] {
  const values = (name: string): readonly string[] =>
    (settings.get(name)?.values ?? []).filter((one) => one !== undefined);
  const inherited = values('inherit-fd').map((value) => /^fd\[(\d+)\]/.exec(value)?.[1] ?? '');
  // What a shell makes of <(...), such as for --config.
  const byPath = passOn.map((argument) => /\/(?:dev|proc\/self)\/fd\/(\d+)/.exec(argument)?.[1] ?? '');
  const asked = word === 'swrk' ? operands : [];
  const named = [...inherited, ...values('status-fd'), ...values('ps-socket'), ...values('close'), ...byPath, ...asked];
  const numbers = named.filter((text) => /^\d{1,9}$/.test(text)).map(Number);
  return [...new Set(numbers)].filter((fd) => fd >= STANDARD_FDS);
}
