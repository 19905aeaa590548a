/** Which peers a request means, and which of them are here. */
import { basename, resolve } from 'node:path';
import type { AbsentPeer, Group } from '../model.js';
import { CRIU_NODE_TAR, CRIU_TAR, FRAZIL_CHECKPOINT, FRAZIL_CHECKPOINT_DIRECT } from './archive.js';
import { CONTAINER_PEERS } from './container.js';
import { CONTAINER_EXPORT_PEERS } from './container-export.js';
import { CONTAINER_MIGRATE_PEERS } from './container-migrate.js';
import { CRIU } from './criu.js';
import { FILES_PEERS } from './files.js';
import { FRAZIL_LIBRARY, FRAZIL_SERVICE, frazilCommand, frazilDirect } from './frazil.js';
import { MIGRATE_PEERS } from './migrate.js';
import type { Context, Peer } from './peer.js';
import { RESTORE_PEERS } from './restore.js';
import { VERSION_PEERS } from './version.js';

/** In the order of the tables; the first of a group is the baseline. */
const DUMP_PEERS: readonly Peer[] = [CRIU, frazilCommand(), frazilDirect(), FRAZIL_LIBRARY, FRAZIL_SERVICE];
const ARCHIVE_PEERS: readonly Peer[] = [CRIU_TAR, CRIU_NODE_TAR, FRAZIL_CHECKPOINT, FRAZIL_CHECKPOINT_DIRECT];
export const PEERS: readonly Peer[] = [
  ...DUMP_PEERS,
  ...ARCHIVE_PEERS,
  ...FILES_PEERS,
  ...RESTORE_PEERS,
  ...CONTAINER_PEERS,
  ...CONTAINER_EXPORT_PEERS,
  ...MIGRATE_PEERS,
  ...CONTAINER_MIGRATE_PEERS,
  ...VERSION_PEERS,
];

/** Resolves names to peers. A name given twice gets a number: an A/A test. Throws RangeError for a name that the group does not have. */
export function choosePeers(group: Group, names: readonly string[] | undefined): readonly Peer[] {
  const chosen =
    names === undefined ? PEERS.filter((peer) => peer.group === group) : names.map((name) => findPeer(group, name));
  const seen = new Map<string, number>();
  return chosen.map((peer) => {
    const count = (seen.get(peer.name) ?? 0) + 1;
    seen.set(peer.name, count);
    return count === 1 ? peer : { ...peer, name: `${peer.name}#${count}` };
  });
}

function findPeer(group: Group, name: string): Peer {
  const [base, root] = name.split(/@(.*)/s);
  if (group === 'dump' && base === 'frazil' && root !== undefined) {
    return frazilCommand(resolve(root), `frazil@${basename(resolve(root))}`);
  }
  const known = PEERS.filter((peer) => peer.group === group);
  const found = known.find((peer) => peer.name === name);
  if (found !== undefined) return found;
  const list = known.map((peer) => peer.name).join(', ');
  throw new RangeError(`Cannot find peer "${name}" for ${group}: known are ${list}`);
}

export interface PresentPeer {
  readonly peer: Peer;
  readonly version: string;
}

/** A peer that is not installed is named and left out, never an error: the others still have something to say. */
export async function detectPeers(
  peers: readonly Peer[],
  context: Context,
): Promise<{ readonly present: readonly PresentPeer[]; readonly absent: readonly AbsentPeer[] }> {
  const present: PresentPeer[] = [];
  const absent: AbsentPeer[] = [];
  for (const peer of peers) {
    const presence = await peer.detect(context);
    if (presence.kind === 'present') present.push({ peer, version: presence.version });
    else absent.push({ peer: peer.name, reason: presence.reason });
  }
  return { present, absent };
}
