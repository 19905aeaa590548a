// Mounts that a runtime which was killed has left: runc binds the root filesystem of a restore into its state folder.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Takes away every mount at `folder` and below it. Rejects when one stays: what is below it is somebody's files. */
export async function detachMounts(folder: string): Promise<void> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  // proc_pid_mountinfo(5): the fifth field; blanks and backslashes in octal.
  const points = lines.map((line) => (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, octal));
  const below = points.filter((point) => point === folder || point.startsWith(`${folder}/`));
  // The last one lies on top.
  for (const point of below.reverse()) await promisify(execFile)('umount', ['--lazy', point]);
}

function octal(_escaped: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 8));
}
