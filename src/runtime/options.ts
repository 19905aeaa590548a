// What can be asked of a container, whichever runtime does it. Names and meaning are those of runc's command line; what a runtime
// does not have stands as `undefined` in its table (runtimes/), and asking for it is FEATURE_MISSING.

import type { Readable, Writable } from 'node:stream';
import type { Fd } from '../addon/fd.js';

/** A file as the OCI runtime specification has it; only the runtime reads it. */
export type OciDocument = Readonly<Record<string, unknown>>;

/** For all calls. */
export interface GlobalOptions {
  /** Where the runtime keeps its state. Default: the runtime's own. */
  readonly root?: string;
  readonly systemdCgroup?: boolean;
  readonly debug?: boolean;
}

export interface Abortable {
  /** Ends the runtime's process; what it had begun is as after a signal to it. */
  readonly signal?: AbortSignal;
}

/** A stream is connected by a pipe; a number or Fd is lent. Default: /dev/null. */
export interface Streams {
  readonly stdin?: Readable | Fd | number;
  readonly stdout?: Writable | Fd | number;
  readonly stderr?: Writable | Fd | number;
}

/** What starts a container's process. */
export interface ProcessOptions extends Streams, Abortable {
  readonly pidFile?: string;
  /** Path of the AF_UNIX socket to which the master of the container's terminal is sent. */
  readonly consoleSocket?: string;
  readonly detach?: boolean;
  /** Lent to the process as 3, 4 and so on. */
  readonly preserveFds?: ReadonlyArray<Fd | number>;
}

export interface CreateOptions extends Omit<ProcessOptions, 'detach'> {
  readonly bundle: string;
  /** Written as the bundle's config.json first. */
  readonly spec?: OciDocument;
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
}

export interface RunOptions extends CreateOptions {
  readonly detach?: boolean;
  readonly noSubreaper?: boolean;
  /** The container's state is kept when it ends. */
  readonly keep?: boolean;
}

export interface ExecOptions extends ProcessOptions {
  /** A process of the specification, or a command that runs as the container's own process does. */
  readonly command: OciDocument | readonly string[];
  readonly cwd?: string;
  readonly env?: readonly string[];
  /** UID[:GID] */
  readonly user?: string;
  readonly additionalGids?: readonly number[];
  readonly tty?: boolean;
  readonly noNewPrivs?: boolean;
  readonly capabilities?: readonly string[];
  readonly apparmor?: string;
  readonly processLabel?: string;
  readonly ignorePaused?: boolean;
}

export interface DeleteOptions extends Abortable {
  readonly force?: boolean;
}

export interface KillOptions extends Abortable {
  readonly all?: boolean;
}

export type CgroupsMode = 'soft' | 'full' | 'strict' | 'ignore';

/** What checkpoint and restore share. */
export interface CriuOptions {
  /** Default of the runtimes: `checkpoint` in the current directory. Ours has to be said. */
  readonly imagesDirectory: string;
  /** For logs and statistics. Default: the images directory. */
  readonly workDirectory?: string;
  readonly tcpEstablished?: boolean;
  readonly externalUnixConnections?: boolean;
  readonly shellJob?: boolean;
  readonly fileLocks?: boolean;
  readonly manageCgroupsMode?: CgroupsMode;
  /** Made, but without what is in them. */
  readonly emptyNs?: readonly 'network'[];
  readonly autoDedup?: boolean;
  readonly lazyPages?: boolean;
}

export interface CheckpointOptions extends CriuOptions, Abortable {
  /** Relative to the images directory. */
  readonly parentImage?: string;
  readonly leaveRunning?: boolean;
  readonly preDump?: boolean;
  /** Then CRIU itself sends the pages there. */
  readonly pageServer?: { readonly address: string; readonly port: number };
  /** Gets one zero byte when lazy pages can be fetched. Lent. */
  readonly statusFd?: Fd | number;
  readonly tcpSkipInFlight?: boolean;
  readonly linkRemap?: boolean;
  readonly networkLock?: 'iptables' | 'nftables' | 'skip';
}

export interface RestoreOptions extends CriuOptions, Omit<ProcessOptions, 'preserveFds'> {
  readonly bundle: string;
  readonly noPivot?: boolean;
  readonly noSubreaper?: boolean;
  readonly tcpClose?: boolean;
  /** TYPE:NAME */
  readonly lsmProfile?: string;
  readonly lsmMountContext?: string;
}
