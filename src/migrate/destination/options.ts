// What receive() takes, and what it tells.

import type { RestoreOptions } from '../../options/types.js';

export interface ReceiveOptions {
  /** HOST:PORT, [IPV6]:PORT or unix:PATH. Port 0: any that is free. */
  readonly listen: string;
  /** Where images lie while they are needed; default: a folder in memory (/dev/shm). */
  readonly directory?: string;
  /** Page streams and control in plaintext although the address can be reached from other machines. */
  readonly plaintext?: boolean;
  /** How trees are restored here, beside what the source says. */
  readonly restore?: RestoreOptions;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  readonly signal?: AbortSignal;
}
