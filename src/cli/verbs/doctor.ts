// doctor: the report as a table with remedies; the status says whether anything blocks.

import { type DoctorOptions, type DoctorReport, doctor } from '../../criu/doctor/doctor.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { collect, ValueError } from '../parse/collect.js';
import { OWN_OPTIONS } from '../parse/own.js';
import type { Settings } from '../parse/settings.js';
import { doctorLines } from '../print/doctor.js';
import { UsageError } from '../usage-error.js';

/** 0 when nothing blocks, 3 when the machine does, 1 when only the tree does. */
export async function runDoctor({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const { terminal, preferences, env, interruption } = context;
  if (operands.length > 0)
    throw new UsageError(`doctor takes no operand, and was given "${operands.join(' ')}"`, 'doctor');
  const { criu, json } = preferences;
  const { idle, ...wanted } = chosen(settings);
  if (!preferences.quiet)
    for (const written of idle) terminal.say(`frazil: ${written} has no effect on doctor; -t PID names a tree`);
  const asked = { ...wanted, env, signal: interruption.signal, ...(criu === undefined ? {} : { criu }) };
  const report = await doctor(asked);
  if (json) terminal.printJson(report);
  else for (const line of doctorLines(report, terminal.columns)) terminal.print(line);
  return statusOf(report);
}

// Read already: preferences.
const OWN: ReadonlySet<string> = new Set(OWN_OPTIONS.map(({ name }) => name));

// What a dump would be given: an option that answers a finding takes it away.
function chosen(settings: Settings): Pick<DoctorOptions, 'pid' | 'options'> & { readonly idle: readonly string[] } {
  try {
    const {
      arguments: { tree },
      options,
      idle,
    } = collect('dump', new Map([...settings].filter(([name]) => !OWN.has(name))));
    return { ...(tree === undefined ? {} : { pid: tree }), options, idle };
  } catch (cause) {
    throw cause instanceof ValueError ? new UsageError(cause.message, 'doctor', { cause }) : cause;
  }
}

export function statusOf({ findings, tree }: Pick<DoctorReport, 'findings' | 'tree'>): number {
  const blocking = findings.filter(({ severity }) => severity === 'blocks');
  if (blocking.length === 0) return EXIT.done;
  const ofTree = new Set(tree?.findings);
  return blocking.every((finding) => ofTree.has(finding)) ? EXIT.failed : EXIT.environment;
}
