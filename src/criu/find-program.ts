// Programs beside CRIU: iptables-restore, nft, nsenter.

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** CRIU and what administers the network are installed in sbin, which is not in an ordinary user's PATH. */
export const SBIN = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

export interface SearchOptions {
  /** Looked at before PATH. */
  readonly first?: readonly string[];
  readonly path?: string | undefined;
}

/** The path of a program in `first`, PATH or the sbin folders. */
export async function findProgram(
  name: string,
  { first = [], path = process.env['PATH'] }: SearchOptions = {},
): Promise<string | undefined> {
  const folders = new Set([...first, ...(path ?? '').split(delimiter).filter(Boolean), ...SBIN]);
  for (const folder of folders) {
    const file = join(folder, name);
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return undefined;
}
