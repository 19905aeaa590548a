// Combinations that CRIU's command line refuses before it does anything.

import type { CriuCommand } from './command-line.js';
import { isOn, type Settings } from './settings.js';

/** What is wrong, as a clause; undefined when nothing is. */
export function inconsistency({ word, operands }: CriuCommand, settings: Settings): string | undefined {
  const dumps = word === 'dump' || word === 'pre-dump';
  if (dumps && !settings.has('tree')) return `${word} needs the pid of the root of the tree: -t PID`;
  if (word === 'pre-dump' && isOn(settings, 'lazy-pages')) return 'pre-dump cannot be combined with --lazy-pages';
  if (word !== 'restore' && isOn(settings, 'mntns-compat-mode')) return '--mntns-compat-mode is only valid on restore';
  if (isOn(settings, 'restore-sibling') && !isOn(settings, 'restore-detached'))
    return '--restore-sibling makes sense with --restore-detached only';
  if (isOn(settings, 'exec-cmd') && isOn(settings, 'restore-detached'))
    return '--restore-detached and --exec-cmd exclude each other';
  if (word === 'cpuinfo') return cpuinfoAction(operands);
  return undefined;
}

function cpuinfoAction([action, ...rest]: readonly string[]): string | undefined {
  if (action === undefined) return 'cpuinfo needs an action: dump or check';
  if (action !== 'dump' && action !== 'check') return `cpuinfo has no action "${action}", only dump and check`;
  return rest.length === 0 ? undefined : `cpuinfo ${action} takes no operand, and was given "${rest.join(' ')}"`;
}
