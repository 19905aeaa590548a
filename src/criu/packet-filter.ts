// The packet filter by which CRIU keeps a tree's connections quiet (criu/netfilter.c, criu/net.c). With nftables it is one table, named
// after the run: `inet CRIU-<run id>`, cut to what fits into 31 characters. With iptables it is rules among others, which CRIU prints
// as it makes them, and which are only reported here.

import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { CheckpointError } from '../errors/checkpoint-error.js';
import { INVENTORY_LAYOUT, readWholeEntries } from '../images/entries.js';
import type { CriuOpts } from '../schema/rpc.js';
import { findProgram } from './find-program.js';

export interface FilteredNetwork {
  /** Path of the CRIU that died: its nft is looked for beside it. */
  readonly criu: string;
  readonly method: CriuOpts['network_lock'];
  /** CRIU's log. */
  readonly log: string;
  /** Where CRIU wrote its small images. */
  readonly images: string;
  /** A file of the network namespace that is locked, when it is not ours. */
  readonly namespace?: string;
}

// CRIU's buffer holds 31 characters of "inet CRIU-<run id>": so much of the name itself. A longer buffer makes a longer name.
const NAME_BYTES = 26;
const NFT_MS = 10_000;

/** Removes the table of this run, and no other. Resolves with what is left, as a sentence. Rejects with IO, which says the same. */
export async function removeFilter(network: FilteredNetwork): Promise<string | undefined> {
  const { method, log } = network;
  if (method === 'SKIP') return undefined;
  if (method !== 'NFTABLES' && !log.includes('Running nftables [')) return rulesLeft(network);
  const runId = await runIdOf(network);
  if (runId === undefined)
    return 'The name of its table of nftables is unknown: look for one that "nft list tables" calls CRIU-...';
  const nft = await nftFor(network, runId);
  const table = tablesIn(await nft(['list', 'tables', 'inet'])).find((name) => isOf(name, runId));
  if (table !== undefined) await nft(['delete', 'table', 'inet', table]);
  return undefined;
}

// A namespace is locked as a whole, of which the log says nothing in particular.
function rulesLeft({ log, namespace }: FilteredNetwork): string | undefined {
  if (namespace === undefined && !/Running ip6?tables \[/.test(log)) return undefined;
  return 'Its rules of iptables may be left: look for the mark 0xC114 in what "iptables-save" and "ip6tables-save" print';
}

// Each service worker of CRIU has an id; the last one is of the worker that dumps. With a low logLevel there is none in the log.
async function runIdOf({ log, images }: FilteredNetwork): Promise<string | undefined> {
  const said = [...log.matchAll(/CRIU run id = (\S+)$/gm)].at(-1)?.[1];
  if (said !== undefined) return said;
  const [inventory] = await readWholeEntries(join(images, 'inventory.img'), INVENTORY_LAYOUT);
  return inventory?.dump_criu_run_id;
}

/** The names in what `nft list tables inet` prints. */
export function tablesIn(list: string): readonly string[] {
  return [...list.matchAll(/^table inet (\S+)$/gm)].flatMap(([, name]) => name ?? []);
}

function isOf(table: string, runId: string): boolean {
  return table.length >= NAME_BYTES && `CRIU-${runId}`.startsWith(table);
}

type Nft = (args: readonly string[]) => Promise<string>;

async function nftFor({ criu, namespace }: FilteredNetwork, runId: string): Promise<Nft> {
  const nft = await program('nft', runId, [dirname(criu)]);
  const words = namespace === undefined ? [nft] : [await program('nsenter', runId), `--net=${namespace}`, nft];
  const [file = nft, ...before] = words;
  return async (args) => {
    const ran = promisify(execFile)(file, [...before, ...args], { timeout: NFT_MS, maxBuffer: 2 ** 26 });
    const { stdout } = await ran.catch((cause: Error) => {
      throw new CheckpointError('IO', `${cause.message.trim()}. ${remains(runId)}`, { path: file }, { cause });
    });
    return stdout;
  };
}

async function program(name: string, runId: string, first: readonly string[] = []): Promise<string> {
  const found = await findProgram(name, { first });
  if (found !== undefined) return found;
  throw new CheckpointError('IO', `There is no ${name} in PATH. ${remains(runId)}`, { path: name, errno: 'ENOENT' });
}

function remains(runId: string): string {
  const table = `inet CRIU-${runId}`.slice(0, 'inet '.length + NAME_BYTES);
  return `Its table of nftables may be left. Remove it with "nft delete table ${table}"`;
}
