// getopt_long of glibc as a pure function: permuted operands, bundled short options, abbreviated long ones. Errors are values,
// because an option before the error (`-V`) may already have ended the run.

import type { LongOption } from './grammar.js';

export interface Grammar {
  readonly long: readonly LongOption[];
  /** Names that must be written in full, so that they cannot make an abbreviation of a `long` one ambiguous. */
  readonly exact?: readonly LongOption[];
}

export interface Occurrence {
  readonly option: LongOption;
  /** As it was written, for messages: `-t`, `--leave-r`. */
  readonly written: string;
  readonly value?: string;
  /** Index of the token that names it, and how many tokens it took. */
  readonly at: number;
  readonly tokens: number;
}

export type Mistake =
  | { readonly kind: 'unknown'; readonly written: string }
  | { readonly kind: 'ambiguous'; readonly written: string; readonly candidates: readonly string[] }
  | { readonly kind: 'needs-value'; readonly written: string }
  | { readonly kind: 'takes-no-value'; readonly written: string };

export interface Scan {
  readonly occurrences: readonly Occurrence[];
  readonly operands: readonly string[];
  /** The first thing that is wrong; what came before it is in `occurrences`. */
  readonly error?: Mistake;
}

type Step =
  | { readonly kind: 'found'; readonly found: readonly Occurrence[] }
  | { readonly kind: 'error'; readonly found: readonly Occurrence[]; readonly error: Mistake };

/** Never throws. `--` ends the options; a lone `-` is an operand. */
export function getopt(argv: readonly string[], grammar: Grammar): Scan {
  const occurrences: Occurrence[] = [];
  const operands: string[] = [];
  for (let at = 0; at < argv.length; ) {
    const token = argv[at] ?? '';
    if (token === '--') return { occurrences, operands: [...operands, ...argv.slice(at + 1)] };
    if (!token.startsWith('-') || token === '-') {
      operands.push(token);
      at += 1;
      continue;
    }
    const step = token.startsWith('--') ? long(argv, at, grammar) : short(argv, at, grammar);
    occurrences.push(...step.found);
    if (step.kind === 'error') return { occurrences, operands, error: step.error };
    at += step.found.at(-1)?.tokens ?? 1;
  }
  return { occurrences, operands };
}

function long(argv: readonly string[], at: number, grammar: Grammar): Step {
  const token = argv[at] ?? '';
  const equals = token.indexOf('=');
  const name = token.slice(2, equals === -1 ? undefined : equals);
  const written = `--${name}`;
  const match = resolve(name, grammar);
  if (match.kind !== 'option') {
    const error = match.kind === 'unknown' ? { kind: match.kind, written } : { ...match, written };
    return { kind: 'error', found: [], error };
  }
  const { option } = match;
  if (equals !== -1) {
    if (option.argument === 'none') return { kind: 'error', found: [], error: { kind: 'takes-no-value', written } };
    return { kind: 'found', found: [{ option, written, value: token.slice(equals + 1), at, tokens: 1 }] };
  }
  return withFollowing({ option, written, at, tokens: 1 }, argv);
}

type Match =
  | { readonly kind: 'option'; readonly option: LongOption }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'ambiguous'; readonly candidates: readonly string[] };

function resolve(name: string, { long, exact = [] }: Grammar): Match {
  const whole = exact.find((option) => option.name === name) ?? long.find((option) => option.name === name);
  if (whole !== undefined) return { kind: 'option', option: whole };
  const candidates = long.filter((option) => option.name.startsWith(name));
  const [first, ...others] = candidates;
  if (first === undefined) return { kind: 'unknown' };
  if (others.some((other) => other.sets !== first.sets || other.on !== first.on)) {
    return { kind: 'ambiguous', candidates: candidates.map((option) => `--${option.name}`) };
  }
  return { kind: 'option', option: first };
}

function short(argv: readonly string[], at: number, { long, exact = [] }: Grammar): Step {
  const token = argv[at] ?? '';
  const found: Occurrence[] = [];
  for (let i = 1; i < token.length; i += 1) {
    const letter = token[i] ?? '';
    const written = `-${letter}`;
    const option = [...exact, ...long].find((candidate) => candidate.short === letter);
    if (option === undefined) return { kind: 'error', found, error: { kind: 'unknown', written } };
    const rest = token.slice(i + 1);
    if (option.argument === 'none') {
      found.push({ option, written, at, tokens: 1 });
    } else if (rest !== '') {
      return { kind: 'found', found: [...found, { option, written, value: rest, at, tokens: 1 }] };
    } else {
      const step = withFollowing({ option, written, at, tokens: 1 }, argv);
      return { ...step, found: [...found, ...step.found] };
    }
  }
  return { kind: 'found', found };
}

// A required value is the next token whatever it looks like, even `--`; an optional one must be attached.
function withFollowing(bare: Occurrence, argv: readonly string[]): Step {
  if (bare.option.argument !== 'required') return { kind: 'found', found: [bare] };
  const value = argv[bare.at + 1];
  if (value === undefined) return { kind: 'error', found: [], error: { kind: 'needs-value', written: bare.written } };
  return { kind: 'found', found: [{ ...bare, value, tokens: 2 }] };
}
