// What the occurrences of an option amount to: lists grow, everything else is replaced by what comes later.

import type { Occurrence } from './getopt.js';

export interface Setting {
  readonly name: string;
  /** False when `--no-NAME` came last. */
  readonly on: boolean;
  /** As the user wrote it the last time. */
  readonly written: string;
  /** Every value given, in order; undefined where the option stood alone. */
  readonly values: readonly (string | undefined)[];
}

export type Settings = ReadonlyMap<string, Setting>;

/** In the order of the last occurrence of each. */
export function settle(occurrences: readonly Occurrence[]): Settings {
  const settings = new Map<string, Setting>();
  for (const { option, written, value } of occurrences) {
    const before = settings.get(option.sets);
    const values = [...(before?.values ?? []), value];
    settings.delete(option.sets);
    settings.set(option.sets, { name: option.sets, on: option.on, written, values });
  }
  return settings;
}

/** True when the option was given and not taken back. */
export function isOn(settings: Settings, name: string): boolean {
  return settings.get(name)?.on === true;
}

/** The last value given. */
export function lastValue(settings: Settings, name: string): string | undefined {
  return settings.get(name)?.values.at(-1);
}
