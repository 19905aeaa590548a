// The commands that CRIU does not have.

import type { Context, OwnInvocation } from '../context.js';
import type { CommandLine } from '../parse/command-line.js';
import { settle } from '../parse/settings.js';

/** Resolves with the exit status. */
export async function runOwn(line: Extract<CommandLine, { kind: 'own' }>, context: Context): Promise<number> {
  const invocation: OwnInvocation = { settings: settle(line.occurrences), operands: line.operands };
  switch (line.word) {
    case 'doctor':
      return (await import('./doctor.js')).runDoctor(invocation, context);
    case 'explain':
      return (await import('./explain.js')).runExplain(invocation, context);
    case 'checkpoint':
      return (await import('./checkpoint.js')).runCheckpoint(invocation, context);
    case 'images':
      return (await import('./images.js')).runImages(invocation, context);
    case 'archive':
      return (await import('./archive.js')).runArchive(invocation, context);
    case 'migrate':
      return (await import('./migrate.js')).runMigrate(invocation, context);
    case 'receive':
      return (await import('./receive.js')).runReceive(invocation, context);
    default:
      return (await import('./bench.js')).runBenchCommand(invocation, context);
  }
}
