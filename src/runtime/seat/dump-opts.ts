// What a runtime's dump request lacks on hosts where CRIU's default cannot work, wherever its pages go.

import { chooseNetworkLock } from '../../criu/network-lock.js';
import type { NetworkLock } from '../../options/types.js';
import type { CriuOpts, CriuRequest, CriuRequestType } from '../../schema/rpc.js';
import { configThatExists } from './config.js';

const DUMPS: ReadonlySet<unknown> = new Set<CriuRequestType>(['DUMP', 'PRE_DUMP', 'SINGLE_PRE_DUMP']);

export function isDump({ type }: CriuRequest): boolean {
  return DUMPS.has(type);
}

/**
 * With a way of locking connections (ADR 6), unless the runtime or its configuration file has chosen one; without a configuration file
 * that is not there, which CRIU passes over in silence and we refuse.
 */
export async function dumpOpts({ config_file, ...opts }: CriuOpts): Promise<CriuOpts> {
  const config = await configThatExists(config_file);
  const { pid = 0, tcp_established: tcpEstablished } = opts;
  const chosen = config?.networkLock === true || opts.network_lock !== undefined;
  const lock = chosen ? undefined : await chooseNetworkLock({ pid, tcpEstablished });
  return {
    ...opts,
    ...(lock !== undefined && { network_lock: LOCK_METHODS[lock] }),
    ...(config !== undefined && { config_file: config.path }),
  };
}

const LOCK_METHODS = { iptables: 'IPTABLES', nftables: 'NFTABLES', skip: 'SKIP' } as const satisfies Record<
  NetworkLock,
  CriuOpts['network_lock']
>;
