// Sizes of Frazil's own options. Those of CRIU's fit its 32 bit fields (src/options/values.ts), these need not.

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes. Throws RangeError, which names the option, for what is no size or less than `least`. */
export function sizeOf(option: string, value: string, least = 0): number {
  const [, digits, unit = ''] = /^(\d{1,12})([KMGT]?)$/.exec(value) ?? [];
  const size = Number(digits) * (UNITS[unit] ?? 1);
  const wanted = least > 0 ? `at least ${least} bytes` : 'a size';
  if (!(size >= least)) throw new RangeError(`${option}: ${wanted} expected, such as 100M, not "${value}"`);
  return size;
}
