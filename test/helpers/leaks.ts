// What a verb may leave behind, and a look at it before and after: fds and children of this process, folders of staging, locks of
// the network.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { NFT } from './criu-cli.js';
import { childrenOf, commandOf, fdsOf } from './procfs.js';
import { until } from './until.js';

/** A thread that ends, a child that is reaped. */
const SOON_MS = 5000;

export interface LeakCheck {
  /**
   * Expects that this process has no fd and no child that it had not before, and that the images directory has no folder of staging
   * in it. What ends a moment later (a thread, a child that is being reaped) is waited for.
   */
  expectNothingLeft(images: string): Promise<void>;
}

export function watchLeaks(): LeakCheck {
  const before = belongings();
  return {
    async expectNothingLeft(images) {
      const extra = () => without(belongings(), before);
      await until('nothing is left', () => extra().length === 0, SOON_MS).catch(() => {});
      expect(extra()).toEqual([]);
      expect(readdirSync(images).filter((name) => name.startsWith('.') || name.endsWith('.incomplete'))).toEqual([]);
    },
  };
}

/**
 * The tables of nftables that drop what travels between these ports. CRIU names them after the dump, so only what they hold tells
 * whose they are.
 */
export function locksOf(ports: readonly number[]): string[] {
  const tables = execFileSync(NFT, ['list', 'ruleset'], { encoding: 'utf8' }).split(/^(?=table )/m);
  const locked = tables.filter((table) => ports.length > 0 && ports.every((port) => table.includes(` . ${port}`)));
  return locked.map((table) => table.match(/^table (inet CRIU-\S+)/)?.[1] ?? table);
}

/** The tables that the run of CRIU with this id made. It cuts their names. */
export function tablesOf(runId: string): string[] {
  const tables = execFileSync(NFT, ['list', 'tables'], { encoding: 'utf8' }).trim().split('\n');
  return tables.filter(
    (table) => `table inet CRIU-${runId}`.startsWith(table) && table.length > 'table inet CRIU-'.length,
  );
}

/** For a dump that is not followed by a restore, which would drop them. */
export function dropLocks(ports: readonly number[]): void {
  for (const table of locksOf(ports)) execFileSync(NFT, ['delete', 'table', ...table.split(' ')]);
}

function belongings(): string[] {
  // Numbers and inodes differ from day to day; what an fd leads to does not.
  const fds = Object.values(fdsOf('self')).map((path) => path.replace(/\d+/g, 'N'));
  return [...fds, ...childrenOf(process.pid).map((pid) => `child ${pid}: ${commandOf(pid).join(' ')}`)];
}

function without(from: readonly string[], taken: readonly string[]): string[] {
  const left = [...from];
  for (const each of taken) {
    const at = left.indexOf(each);
    if (at !== -1) left.splice(at, 1);
  }
  return left;
}
