// Tables of nftables by which CRIU keeps connections quiet from a dump to its restore (criu/netfilter.c). One whose checkpoint is
// restored elsewhere, or never, stays, and every packet of the machine passes by it.

import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../find-program.js';
import { tablesIn } from '../packet-filter.js';
import type { Finding } from './finding.js';

const NFT_MS = 10_000;
const SHOWN = 3;

/** Of this network namespace, by name. Undefined when they cannot be listed: no nft, or no right to ask it. */
export async function readLocks(criu: string | undefined): Promise<readonly string[] | undefined> {
  const nft = await findProgram('nft', criu === undefined ? {} : { first: [dirname(criu)] });
  if (nft === undefined) return undefined;
  const asked = promisify(execFile)(nft, ['list', 'tables', 'inet'], { timeout: NFT_MS });
  const listed = await asked.catch(() => undefined);
  return listed && tablesIn(listed.stdout).filter((name) => name.startsWith('CRIU-'));
}

export function judgeLocks(tables: readonly string[] | undefined): Finding[] {
  const [first] = tables ?? [];
  if (tables === undefined || first === undefined) return [];
  const more = tables.length > SHOWN ? ` and ${tables.length - SHOWN} more` : '';
  return [
    {
      id: 'locked-connections',
      severity: 'note',
      title: `Connections of ${tables.length} checkpoints are locked here (inet ${tables.slice(0, SHOWN).join(', ')}${more})`,
      neededFor:
        'their restore with tcpEstablished; a table whose checkpoint is not restored here any more slows every packet',
      remedy: `Remove those that nothing will restore: nft delete table inet ${first}`,
    },
  ];
}
