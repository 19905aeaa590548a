// What two calls of a runtime are compared by: not the time, and not the folder of the call.

import { readdirSync } from 'node:fs';
import type { Outcome } from './container.js';

export interface Seen extends Outcome {
  /** Left in the folder. */
  readonly files: readonly string[];
}

/**
 * With image files (of a call that went well) by kind: their numbers and some of their names are ids of the kernel, and CRIU has a pages
 * file in which ours has none for a task without contents. After a failure CRIU may leave some of them, we leave none: they are not
 * looked at.
 */
export function seen({ status, stdout, stderr }: Outcome, folder: string): Seen {
  const files = readdirSync(folder, { recursive: true }).map(String);
  const kinds =
    status === 0 ? files.map((name) => name.replaceAll(/\d+/g, 'N')) : files.filter((name) => !name.endsWith('.img'));
  const plain = (text: string): string => withoutTime(text).replaceAll(folder, 'FOLDER');
  return { status, stdout: plain(stdout), stderr: plain(stderr), files: [...new Set(kinds)].sort() };
}

function withoutTime(text: string): string {
  return text.replaceAll(/"?time"?[=:]"[^"]*"/g, 'time').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z:/g, 'time');
}
