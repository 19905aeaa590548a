// CRIU's list of CPU capabilities. It changes the default step by step, so `--cpu-cap=cpu` demands fpu and ins too, and it is
// the same list whether it comes in one option or in several.

import type { CpuCapability } from '../../options/types.js';

const ALL = ['fpu', 'cpu', 'ins'] as const;
const BY_DEFAULT = ['fpu', 'ins'] as const;

/** All occurrences of `--cpu-cap`, in order; undefined stands for the bare option. Throws TypeError for a word that CRIU refuses. */
export function cpuCapabilities(values: readonly (string | undefined)[]): readonly CpuCapability[] {
  let chosen = new Set<CpuCapability>(BY_DEFAULT);
  for (const word of values.flatMap((value) => (value === undefined ? ['all'] : value.split(',')))) {
    chosen = changed(chosen, word);
  }
  return ALL.filter((one) => chosen.has(one));
}

function changed(chosen: ReadonlySet<CpuCapability>, word: string): Set<CpuCapability> {
  const bare = word.replace(/^\^+/, '');
  const away = (word.length - bare.length) % 2 === 1;
  if (bare === '') return new Set(chosen);
  if (bare === 'none') return new Set(away ? ALL : []);
  const named = bare === 'all' ? ALL : ALL.filter((one) => one === bare);
  if (named.length === 0) throw new TypeError(`a list of cpu, fpu, ins, all and none expected, not "${word}"`);
  return new Set(ALL.filter((one) => (named.some((name) => name === one) ? !away : chosen.has(one))));
}
