// The options of every operation. A name is CRIU's long flag in camelCase; where the RPC field has the better word (`parent`,
// `logLevel`) the table in rows/ records both. `undefined` means "not given" and is not sent: defaults are CRIU's.
// The rows must match these interfaces key by key and operation by operation, or rows/index.ts does not compile.

export interface PageServerAddress {
  readonly kind: 'tcp';
  readonly address?: string;
  /** 0 lets CRIU choose; it is in the answer. */
  readonly port: number;
}
/** A connected stream socket; the number is the one inside CRIU. */
export interface PageServerFd {
  readonly kind: 'fd';
  readonly fd: number;
}
export type PageServerTarget = PageServerAddress | PageServerFd;

export type CgroupsMode = 'ignore' | 'none' | 'props' | 'soft' | 'full' | 'strict' | 'default';
export type NetworkLock = 'iptables' | 'nftables' | 'skip';
export type PreDumpMode = 'splice' | 'read';
export type CpuCapability = 'fpu' | 'cpu' | 'ins' | 'image';
export type JoinableNamespace = 'net' | 'uts' | 'ipc' | 'time' | 'user' | 'mnt';
export type FileValidation = 'filesize' | 'buildid';

export interface CgroupRoot {
  /** Absent: the new root of all controllers that have none of their own. */
  readonly controller?: string;
  readonly path: string;
}
export interface MountMapping {
  readonly key: string;
  readonly value: string;
}
export interface JoinNamespace {
  readonly namespace: JoinableNamespace;
  /** A pid, or the path of a namespace file. */
  readonly from: string;
  /** For `user`: "UID,GID". */
  readonly extra?: string;
}
/** `key` as CRIU names it: `pipe:[INO]`, `socket:[INO]`, `tty[RDEV:DEV]`, `file[MNT:INO]`, a path without leading slash, a label. */
export interface InheritedFd {
  readonly key: string;
  /** In the API a number of this process, which the verb inherits into CRIU; in a request the number inside CRIU. */
  readonly fd: number;
}

/** Taken by every operation. */
export interface CommonOptions {
  readonly workDir?: string;
  readonly logFile?: string;
  readonly logLevel?: 0 | 1 | 2 | 3 | 4;
  readonly logPid?: boolean;
  readonly config?: string;
  readonly defaultConfig?: boolean;
  readonly unprivileged?: boolean;
  readonly libdir?: string;
  readonly deprecated?: boolean;
}

/** TLS of CRIU's own page transfer; not combined with Frazil's own sockets. */
export interface TlsOptions {
  readonly tls?: boolean;
  readonly tlsCacert?: string;
  readonly tlsCacrl?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsNoCnVerify?: boolean;
}

/** What must be said alike when dumping and when restoring. */
interface BothWays extends CommonOptions {
  readonly shellJob?: boolean;
  readonly extUnixSk?: boolean;
  readonly tcpEstablished?: boolean;
  readonly tcpClose?: boolean;
  readonly fileLocks?: boolean;
  readonly cpuCap?: readonly CpuCapability[];
  readonly extMountMap?: readonly MountMapping[];
  readonly autoExtMount?: boolean;
  readonly enableExternalSharing?: boolean;
  readonly enableExternalMasters?: boolean;
  readonly enableFs?: readonly string[];
  readonly external?: readonly string[];
  readonly emptyNs?: readonly 'net'[];
  readonly manageCgroups?: CgroupsMode;
  readonly cgroupRoot?: readonly CgroupRoot[];
  readonly cgroupYard?: string;
  readonly leaveStopped?: boolean;
  readonly displayStats?: boolean;
  readonly lazyPages?: boolean;
  readonly actionScript?: readonly string[];
  readonly allowUprobes?: boolean;
}

/** What dump and pre-dump share. */
interface Collecting {
  readonly parent?: string;
  readonly trackMem?: boolean;
  readonly autoDedup?: boolean;
  readonly forceIrmap?: boolean;
  readonly irmapScanPath?: readonly string[];
  readonly freezeCgroup?: string;
  readonly timeoutSeconds?: number;
  readonly lsmProfile?: string;
}

export interface DumpOptions extends BothWays, Collecting, TlsOptions {
  readonly leaveRunning?: boolean;
  readonly skipInFlight?: boolean;
  readonly linkRemap?: boolean;
  readonly ghostLimit?: number;
  readonly ghostFiemap?: boolean;
  readonly skipMnt?: readonly string[];
  readonly cgroupProps?: string;
  readonly cgroupPropsFile?: string;
  readonly cgroupDumpController?: readonly string[];
  readonly networkLock?: NetworkLock;
  readonly fileValidation?: FileValidation;
}

export interface PreDumpOptions extends CommonOptions, Collecting, TlsOptions {
  readonly preDumpMode?: PreDumpMode;
}

export interface RestoreOptions extends BothWays {
  readonly root?: string;
  readonly evasiveDevices?: boolean;
  readonly weakSysctls?: boolean;
  readonly restoreSibling?: boolean;
  readonly inheritFd?: readonly InheritedFd[];
  readonly joinNs?: readonly JoinNamespace[];
  readonly execCmd?: readonly string[];
  readonly lsmProfile?: string;
  readonly lsmMountContext?: string;
  readonly mntnsCompatMode?: boolean;
  readonly skipFileRwxCheck?: boolean;
  readonly autoDedup?: boolean;
  readonly orphanPtsMaster?: boolean;
  readonly fileValidation?: FileValidation;
}

export interface PageServerOptions extends CommonOptions, TlsOptions {
  readonly parent?: string;
  readonly autoDedup?: boolean;
}

export interface CheckOptions extends CommonOptions {}

export interface CpuinfoOptions extends CommonOptions {
  readonly cpuCap?: readonly CpuCapability[];
}

export interface OptionsOf {
  readonly dump: DumpOptions;
  readonly preDump: PreDumpOptions;
  readonly restore: RestoreOptions;
  readonly pageServer: PageServerOptions;
  readonly check: CheckOptions;
  readonly cpuinfo: CpuinfoOptions;
}

export type Operation = keyof OptionsOf;
