// images search: bytes in the memory of a checkpoint. As grep: 0 when something was found, 1 when nothing was.

import { searchMemory } from '../../../criu/image-verbs.js';
import type { MemoryMatch, SearchReport } from '../../../images/search.js';
import type { Context, OwnInvocation } from '../../context.js';
import { EXIT } from '../../exit-code.js';
import { follow } from '../../follow.js';
import { lastValue, type Settings } from '../../parse/settings.js';
import { count } from '../../print/units.js';
import { UsageError } from '../../usage-error.js';
import { inImages } from './place.js';

const TOPIC = 'images search';

export async function runSearch({ settings, operands }: OwnInvocation, context: Context): Promise<number> {
  const [dir, ...texts] = operands;
  const patterns = [...texts.map((text) => Buffer.from(text)), ...values(settings, 'hex').map(fromHex)];
  if (dir === undefined || patterns.length === 0)
    throw new UsageError('images search needs an images directory or archive, and what to look for', TOPIC);
  const pids = values(settings, 'pid').map((pid) => whole('pid', pid));
  const options = {
    ...number(settings, 'limit'),
    ...number(settings, 'context'),
    ...(pids.length === 0 ? {} : { pids }),
    signal: context.interruption.signal,
  };
  const report = await inImages({ named: dir, topic: TOPIC, pages: 'with' }, context, (place) =>
    follow(begin(place, patterns, options), context),
  );
  const { terminal, preferences } = context;
  if (preferences.json) terminal.printJson(toJson({ ...report, imagesDir: dir }, patterns));
  else for (const match of report.matches) terminal.print(matchLine(match, patterns));
  if (report.truncated && !preferences.json)
    terminal.say(`frazil: these are the first ${count(report.matches.length)}; --limit asks for more`);
  return report.matches.length > 0 ? EXIT.done : EXIT.failed;
}

// What the library refuses as misuse is here a mistake of the user's.
function begin(...given: Parameters<typeof searchMemory>): ReturnType<typeof searchMemory> {
  const run = searchMemory(...given);
  const done = run.done.catch((error: unknown) => {
    throw error instanceof RangeError ? new UsageError(error.message, TOPIC) : error;
  });
  // The iteration reports the same failure.
  done.catch(() => {});
  return { ...run, [Symbol.asyncIterator]: () => run[Symbol.asyncIterator](), done };
}

function matchLine(
  { in: { kind, id }, address, pattern, before, after }: MemoryMatch,
  patterns: readonly Buffer[],
): string {
  const where = kind === 'task' ? `${id}` : `shmem-${id}`;
  const around = [before, patterns[pattern] ?? Buffer.alloc(0), after].map(printable).join('');
  return `${where}  0x${address.toString(16)}  ${around}`;
}

// As in a hex dump: what is no printable ASCII is a dot.
function printable(piece: Uint8Array): string {
  return Buffer.from(piece)
    .toString('latin1')
    .replace(/[^\x20-\x7e]/g, '.');
}

function toJson({ imagesDir, matches, truncated, bytesSearched }: SearchReport, patterns: readonly Buffer[]): unknown {
  const list = matches.map(({ in: place, address, pattern, before, after }) => ({
    in: place,
    address: `0x${address.toString(16)}`,
    pattern: patterns[pattern]?.toString('hex'),
    before: Buffer.from(before).toString('hex'),
    after: Buffer.from(after).toString('hex'),
  }));
  return { imagesDir, truncated, bytesSearched, matches: list };
}

function values(settings: Settings, name: string): readonly string[] {
  return (settings.get(name)?.values ?? []).flatMap((value) => (value === undefined ? [] : [value]));
}

function fromHex(text: string): Buffer {
  const digits = text.replace(/^0x/, '');
  if (/^([0-9a-f]{2})+$/i.test(digits)) return Buffer.from(digits, 'hex');
  throw new UsageError(`--hex ${text}: two hexadecimal digits a byte are needed`, TOPIC);
}

function number(settings: Settings, name: 'limit' | 'context'): { readonly [key in typeof name]?: number } {
  const value = lastValue(settings, name);
  return value === undefined ? {} : { [name]: whole(name, value) };
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} ${text}: a whole number is needed`, TOPIC);
}
