import { readdirSync, readlinkSync } from 'node:fs';

/** What this process has open, as sorted `number -> target` lines; without the directory that the listing itself opens. */
export function openFds(): string[] {
  const lines: string[] = [];
  for (const number of readdirSync('/proc/self/fd')) {
    try {
      lines.push(`${number} -> ${readlinkSync(`/proc/self/fd/${number}`)}`);
    } catch {
      // The listing's own directory is closed by now.
    }
  }
  return lines.sort();
}

/** How many threads the kernel counts in this process. */
export function threadCount(): number {
  return readdirSync('/proc/self/task').length;
}
