// The configuration file that a runtime names in its request: runc always sends /etc/criu/runc.conf, which is mostly not there.

import { readFile } from 'node:fs/promises';

export interface RuntimeConfig {
  readonly path: string;
  /** It says how connections are locked: then that is not chosen for it. */
  readonly networkLock: boolean;
}

/** Nothing for a file that CRIU would pass over, because it cannot be read. */
export async function configThatExists(path: string | undefined): Promise<RuntimeConfig | undefined> {
  if (path === undefined || path === '') return undefined;
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  return { path, networkLock: /^\s*network-lock\b/m.test(text) };
}
