// explain: CRIU's log as causes and remedies. The diagnosis is the result, so it goes to stdout.

import { text } from 'node:stream/consumers';
import { explainPath } from '../../criu/explain.js';
import type { Diagnosis } from '../../errors/diagnosis.js';
import { type Explanation, explain } from '../../errors/explain.js';
import type { Context, OwnInvocation } from '../context.js';
import { EXIT } from '../exit-code.js';
import { UsageError } from '../usage-error.js';

/** 0 when a cause was found, 1 when there is none. */
export async function runExplain({ operands }: OwnInvocation, { terminal, preferences }: Context): Promise<number> {
  const [path, ...surplus] = operands;
  if (path === undefined || surplus.length > 0)
    throw new UsageError('explain needs one log file, a directory that holds one, or - for standard input', 'explain');
  const explanation = path === '-' ? explain(await text(process.stdin)) : await explainPath(path);
  if (preferences.json) terminal.printJson(explanation);
  else for (const line of explanationLines(explanation)) terminal.print(line);
  return explanation.causes.length > 0 ? EXIT.done : EXIT.failed;
}

export function explanationLines({ causes, excerpt, harmless }: Explanation): readonly string[] {
  if (causes.length === 0) return ['Nothing in this log is an error.', ...harmlessLines(harmless.length)];
  return [
    ...causes.flatMap(causeLines),
    '',
    'The log around the first cause:',
    ...excerpt.map(indented),
    ...harmlessLines(harmless.length),
  ];
}

function causeLines({ reason, remedy, line, text: logged }: Diagnosis): readonly string[] {
  const where = line === 0 ? '' : ` (line ${line})`;
  return [`${reason}${where}`, ...(remedy === undefined ? [] : [indented(remedy)]), indented(logged.trim())];
}

function harmlessLines(count: number): readonly string[] {
  return count === 0 ? [] : [`(${count} ${count === 1 ? 'line looks' : 'lines look'} like an error and mean nothing)`];
}

function indented(line: string): string {
  return `    ${line}`;
}
