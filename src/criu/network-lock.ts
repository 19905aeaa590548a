// How connections are locked while a tree is dumped. CRIU's default needs iptables-restore, which many hosts no longer have; nftables
// it drives through a library. So only where the default must fail does Frazil choose for the caller (ADR 0006).

import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { NetworkLock } from '../options/types.js';

const SBIN = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** `undefined`: CRIU's own default. */
export async function chooseNetworkLock(
  given: NetworkLock | undefined,
  path: string | undefined = process.env['PATH'],
): Promise<NetworkLock | undefined> {
  if (given !== undefined) return given;
  const folders = new Set([...(path ?? '').split(delimiter).filter(Boolean), ...SBIN]);
  for (const folder of folders) {
    const found = await access(join(folder, 'iptables-restore'), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return undefined;
  }
  return 'nftables';
}
