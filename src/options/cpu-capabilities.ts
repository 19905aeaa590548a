// CRIU's list of CPU capabilities, read as parse_cpu_cap() of its config.c does: from left to right, each word changing what there is,
// which at first is the default. So `--cpu-cap=cpu` demands fpu and ins too, a second `--cpu-cap` goes on where the first ended, commas
// may be missing, and `^` turns the words up to the next comma round. test/e2e/cpu-cap.test.ts asks the real program.

import type { CpuCapability } from './types.js';
import { choice, list, type ValueType } from './values.js';

const CAPABILITIES = ['fpu', 'cpu', 'ins', 'image'] as const;
/** Those that the flag has words for. CRIU adds "image" by itself. */
const BY_FLAG = ['fpu', 'cpu', 'ins'] as const;
const BY_DEFAULT: readonly CpuCapability[] = ['fpu', 'ins'];
const WORD = /[\^,]|fpu|cpu|ins|all|none/y;

export const cpuCapabilities: ValueType<readonly CpuCapability[]> = {
  ...list(choice(CAPABILITIES)),
  argument: 'CAP',
  argumentOptional: true,
  parse: (given, previous) => changed(previous ?? BY_DEFAULT, given ?? 'all'),
};

function changed(before: readonly CpuCapability[], text: string): readonly CpuCapability[] {
  let chosen = new Set(before);
  let away = false;
  for (const word of wordsOf(text)) {
    if (word === '^') away = !away;
    else if (word === ',') away = false;
    else chosen = applied(chosen, word, { away });
  }
  return BY_FLAG.filter((one) => chosen.has(one));
}

function applied(
  chosen: ReadonlySet<CpuCapability>,
  word: string,
  { away }: { readonly away: boolean },
): Set<CpuCapability> {
  if (word === 'none') return new Set(away ? BY_FLAG : []);
  const named = BY_FLAG.filter((one) => word === 'all' || one === word);
  return new Set(BY_FLAG.filter((one) => (named.includes(one) ? !away : chosen.has(one))));
}

function wordsOf(text: string): readonly string[] {
  const words: string[] = [];
  for (let at = 0; at < text.length; at += words.at(-1)?.length ?? 0) {
    WORD.lastIndex = at;
    const [word] = WORD.exec(text) ?? [];
    if (word === undefined) throw new TypeError(`a list of cpu, fpu, ins, all and none expected, not "${text}"`);
    words.push(word);
  }
  return words;
}
