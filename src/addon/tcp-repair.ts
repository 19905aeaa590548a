// TCP sockets of other processes: CRIU puts them into repair mode (tcp(7), TCP_REPAIR) while it takes their state.

import { attempt } from './failure.js';
import { native } from './load.js';
import type { Fd } from './native-core.js';

/** A duplicate of fd `number` of the process; the caller owns it. IO with EBADF when it is not open, EPERM, ESRCH. */
export function pidfdGetfd(pidfd: Fd, number: number): Fd {
  return attempt(`copy fd ${number} of a process`, () => native().pidfdGetfd(pidfd, number));
}

/** Whether it is a TCP socket in repair mode: then its reads and writes fail, and closing it sends nothing. */
export function tcpInRepair(fd: Fd): boolean {
  return attempt('look at a socket', () => native().tcpInRepair(fd));
}

/**
 * Ends repair mode, sets SO_REUSEADDR, which that mode has taken away, and sends the peer a window probe. Of a socket that is not in
 * repair mode: another probe. IO with EPERM without CAP_NET_ADMIN.
 */
export function tcpEndRepair(fd: Fd, { reuseAddress }: { readonly reuseAddress: boolean }): void {
  attempt('end the repair mode of a connection', () => native().tcpEndRepair(fd, reuseAddress));
}
