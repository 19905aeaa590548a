// From CRIU's log to a cause. CRIU prints one error and then the failures that follow from it, after (and sometimes before)
// lines at error level that mean nothing; users and other tools show the first "Error" and chase a ghost. Here each line is
// matched against a table; the decisive one is the first known cause, else the first unknown error, else a symptom.
// Pure: text in, values out.

import type { Diagnosis } from './diagnosis.js';
import { type LogLine, parseLogLine } from './log-line.js';
import { type Place, PlaceTracker } from './log-place.js';
import { RULES } from './rules/all.js';
import type { Rank, Rule } from './rules/rule.js';
import { fill } from './template.js';

export interface ExplainContext {
  /** What CRIU printed besides its log: option errors and the hint for shell jobs appear only there. */
  readonly stderr?: string | undefined;
  /** CRIU's `cr_errmsg`, looked at only when log and stderr say nothing. */
  readonly criuMessage?: string | undefined;
}

export interface HarmlessLine {
  readonly rule: string;
  readonly line: number;
  readonly text: string;
  /** Why it may be ignored. */
  readonly reason: string;
}

export interface Explanation {
  /** Decisive one first. Empty when nothing in the text is an error. */
  readonly causes: readonly Diagnosis[];
  /** The decisive line and its neighbours, each with its number. */
  readonly excerpt: readonly string[];
  readonly harmless: readonly HarmlessLine[];
}

interface Found {
  readonly rank: Rank | 'unknown';
  readonly diagnosis: Diagnosis;
}

interface Hit {
  readonly rule: Rule;
  readonly groups: Readonly<Record<string, string | undefined>>;
}

/** A tree of many tasks repeats itself; more causes than this help nobody. */
const MAX_CAUSES = 20;
const LINES_BEFORE = 4;
const LINES_AFTER = 2;
/** CRIU names the fd that it could not restore at most so many lines after the error. */
const LINES_TO_FD = 4;
const ORDER: readonly Found['rank'][] = ['cause', 'unknown', 'symptom'];
const ANY_LEVEL_RULES = RULES.filter((rule) => rule.anyLevel === true);
// One alternation as a sieve, because a debug log has some 17 000 lines; names of groups may not repeat in it.
const SIEVE = new RegExp(ANY_LEVEL_RULES.map((rule) => rule.match.source.replace(/\(\?<\w+>/g, '(?:')).join('|'));

/** CRIU's last word when nothing failed: what it printed before at error level was not one. */
const SUCCEEDED = /(?:Dumping|Pre-dumping|Restore) finished successfully/;

/** Explains a log of CRIU: of a dump, a restore, a page server. Never throws, whatever the text. */
export function explain(log: string, { stderr = '', criuMessage = '' }: ExplainContext = {}): Explanation {
  const lines = log.split('\n');
  const found = scan(lines);
  const aside = scan(stderr.split('\n')).map(outsideLog);
  let causes = SUCCEEDED.test(log) ? [] : ranked([...found, ...aside]);
  if (causes.length === 0 && log.trim() === '') causes = ranked(scan([criuMessage.trim()]).map(outsideLog));
  return { causes, excerpt: excerptOf(lines, causes[0]), harmless: harmlessOf([...found, ...aside]) };
}

function scan(lines: readonly string[]): Found[] {
  const tracker = new PlaceTracker();
  const found: Found[] = [];
  for (const [index, raw] of lines.entries()) {
    const line = parseLogLine(raw, index + 1);
    tracker.advance(line);
    const hit = ruleFor(line);
    if (hit !== undefined) {
      const place = placeOf(hit, line, { tracker, lines });
      found.push({ rank: hit.rule.rank ?? 'cause', diagnosis: diagnosisOf(hit, line, place) });
    } else if (line.level === 'error') {
      found.push({ rank: 'unknown', diagnosis: unknown(line, tracker.at(line)) });
    }
  }
  return found;
}

function ruleFor(line: LogLine): Hit | undefined {
  if (line.level === 'info' && !SIEVE.test(line.text)) return undefined;
  for (const rule of line.level === 'info' ? ANY_LEVEL_RULES : RULES) {
    // CRIU goes on after a warning, so it counts only where a row says so.
    if (line.level === 'warning' && rule.anyLevel !== true && rule.rank !== 'harmless') continue;
    const match = rule.match.exec(line.text);
    if (match !== null) return { rule, groups: match.groups ?? {} };
  }
  return undefined;
}

function placeOf(hit: Hit, line: LogLine, log: { tracker: PlaceTracker; lines: readonly string[] }): Place {
  const { rule, groups } = hit;
  if (rule.id === 'file-locks') return log.tracker.lockHolder() ?? {};
  if (groups['pts'] !== undefined) return log.tracker.holderOf(`/dev/pts/${groups['pts']}`) ?? {};
  const at: Record<string, string | number | undefined> = { ...log.tracker.at(line), ...fdOfFailure(line, log.lines) };
  return Object.fromEntries((rule.near ?? []).flatMap((name) => (at[name] === undefined ? [] : [[name, at[name]]])));
}

/** In a restore the fd is named after the error: "Unable to open fd=3 id=0x16". */
function fdOfFailure(line: LogLine, lines: readonly string[]): { fd?: number | undefined } {
  for (const raw of lines.slice(line.number, line.number + LINES_TO_FD)) {
    const next = parseLogLine(raw, 0);
    const fd = /^Unable to open fd=(\d+) id=/.exec(next.text)?.[1];
    if (fd !== undefined && next.pid === line.pid) return { fd: Number(fd) };
    // A mapping failed instead; the fd that the log announced before is not it.
    if (next.text.startsWith("`- Can't open vma")) return { fd: undefined };
  }
  return {};
}

function diagnosisOf({ rule, groups }: Hit, line: LogLine, near: Place): Diagnosis {
  const values = { ...near, ...groups, ...pathFrom(groups['path'], line) };
  const { pid, fd, inode } = numbersOf(values);
  const path: string | number | undefined = values['path'];
  return {
    rule: rule.id,
    reason: fill(rule.reason, values),
    ...(rule.remedy === undefined ? {} : { remedy: fill(rule.remedy, values) }),
    ...(rule.option === undefined ? {} : { option: rule.option }),
    ...(pid === undefined ? {} : { pid }),
    ...(fd === undefined ? {} : { fd }),
    ...(path === undefined || path === '(null)' ? {} : { path }),
    ...(inode === undefined ? {} : { inode }),
    line: line.number,
    text: line.raw,
  };
}

/** Restored tasks print paths relative to their root, which they have open as an fd. */
function pathFrom(path: string | undefined, line: LogLine): { path?: string } {
  if (path === undefined) return {};
  const relative = line.pid !== undefined && /^[^/]+\//.test(path);
  return { path: relative ? `/${path}` : path };
}

function numbersOf(values: Readonly<Record<string, string | number | undefined>>): {
  pid: number | undefined;
  fd: number | undefined;
  inode: number | undefined;
} {
  const number = (name: string): number | undefined => (values[name] === undefined ? undefined : Number(values[name]));
  return { pid: number('pid'), fd: number('fd'), inode: number('inode') };
}

function unknown(line: LogLine, { pid, fd }: Place): Diagnosis {
  return {
    rule: 'unknown',
    reason: `CRIU says "${line.text.trim()}"`,
    ...(pid === undefined ? {} : { pid }),
    ...(fd === undefined ? {} : { fd }),
    line: line.number,
    text: line.raw,
  };
}

function ranked(found: readonly Found[]): Diagnosis[] {
  const unique = new Map<string, Diagnosis>();
  // A symptom beside a known cause only repeats it.
  const known = found.some(({ rank }) => rank === 'cause');
  for (const rank of known ? ORDER.slice(0, -1) : ORDER) {
    for (const { diagnosis } of found.filter((each) => each.rank === rank)) {
      const { rule, pid, fd, path, text } = diagnosis;
      const key = [rule, pid, fd, path, rule === 'unknown' ? text : ''].join('\0');
      if (!unique.has(key)) unique.set(key, diagnosis);
    }
  }
  return [...unique.values()].slice(0, MAX_CAUSES);
}

function outsideLog(found: Found): Found {
  return { ...found, diagnosis: { ...found.diagnosis, line: 0 } };
}

function excerptOf(lines: readonly string[], decisive: Diagnosis | undefined): string[] {
  if (decisive === undefined) return [];
  if (decisive.line === 0) return [decisive.text];
  const first = Math.max(1, decisive.line - LINES_BEFORE);
  return lines.slice(first - 1, decisive.line + LINES_AFTER).map((text, index) => `${first + index}: ${text}`);
}

function harmlessOf(found: readonly Found[]): HarmlessLine[] {
  return found
    .filter(({ rank }) => rank === 'harmless')
    .map(({ diagnosis: { rule, line, text, reason } }) => ({ rule, line, text, reason }));
}
