// Figures for people. Bytes in powers of 1024, as the tools around CRIU count pages.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
const STEP = 1024;
const MS_PER_S = 1000;
const S_PER_MIN = 60;

/** "1.5 GiB", "812 B". */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  // 1023.95 would be printed as 1024.0 of the smaller unit.
  while (value >= STEP - 0.05 && unit < UNITS.length - 1) {
    value /= STEP;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** "312 µs", "14.2 ms", "3.41 s". */
export function micros(count: number): string {
  if (count < 1000) return `${Math.round(count)} µs`;
  return millis(count / 1000);
}

/** "14.2 ms", "3.41 s", "2 min 05 s". */
export function millis(count: number): string {
  if (count < 100) return `${count.toFixed(1)} ms`;
  if (count < MS_PER_S) return `${Math.round(count)} ms`;
  const seconds = count / MS_PER_S;
  if (seconds < S_PER_MIN) return `${seconds.toFixed(2)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / S_PER_MIN)} min ${String(whole % S_PER_MIN).padStart(2, '0')} s`;
}

/** "1,734": grouped as in the C locale's usual neighbours, independent of the user's. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** "1 fault", "1,734 faults". */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}
