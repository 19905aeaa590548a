// What receive() takes, and what it tells.

import type { RestoreOptions } from '../../options/types.js';
import type { NetworkSwitch } from '../network/switch.js';
import type { CertificateFiles } from '../wire/security.js';

/** Where containers that are moved here live. */
export interface ContainerDestination {
  /**
   * The bundle. Made when it is not there; a config.json that is there is taken as it is, else it is the source's with the folders of this
   * bundle.
   */
  readonly bundle: string;
  /** The root filesystem; when it is not there, or empty, it comes from the source. Default: `rootfs` in the bundle. */
  readonly rootfs?: string;
  /** Default: as at the source. */
  readonly id?: string;
  /** Where the runtime keeps its state. Default: the runtime's own. */
  readonly root?: string;
  /** The program of a runtime that is not found by itself. */
  readonly paths?: Readonly<Partial<Record<'runc' | 'crun', string>>>;
  readonly systemdCgroup?: boolean;
  /**
   * Path of the AF_UNIX socket to which the master of the container's terminal is sent when it is restored, before it is known whether it
   * will run here: one that will not hangs up. Without it containers with a terminal are refused.
   */
  readonly consoleSocket?: string;
}

export interface ReceiveOptions {
  /** HOST:PORT, [IPV6]:PORT or unix:PATH. Port 0: any that is free. */
  readonly listen: string;
  /** Where images lie while they are needed; default: a folder in memory (/dev/shm). */
  readonly directory?: string;
  /**
   * Everything in plaintext, and anybody who can connect can have a tree restored here. Default: TLS with a token that has to be carried
   * to the source; on a unix socket plaintext, because only root can connect.
   */
  readonly plaintext?: boolean;
  /** TLS with certificates of your own, and sources that `ca` has signed, instead of a token. */
  readonly certificates?: CertificateFiles;
  /** A place for a container; without one containers are refused. */
  readonly container?: ContainerDestination;
  /** How trees are restored here, beside what the source says. */
  readonly restore?: Omit<RestoreOptions, 'workDir' | 'logFile'>;
  /** Moves the address of the tree with it: network/switch.ts has the steps. The other end needs one, too. */
  readonly networkSwitch?: NetworkSwitch;
  /** Path of the CRIU to use. Default: FRAZIL_CRIU, the private prefix, PATH. */
  readonly criu?: string;
  readonly signal?: AbortSignal;
}
