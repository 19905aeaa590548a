/**
 * A peer is data: how it is found, how it is run, how its own figures are read. What the harness measures from outside (wall, CPU time, memory,
 * bytes, CRIU's frozen time) it measures for all peers alike; `read` adds only what no outsider can see.
 */
import type { Host } from '../host/environment.js';
import type { Hosts } from '../host/hosts.js';
import type { Tools } from '../host/tools.js';
import type { Figures, Group, MetricName, Scenario } from '../model.js';
import type { RunPhase } from '../progress.js';

export type Presence =
  | { readonly kind: 'present'; readonly version: string }
  | { readonly kind: 'absent'; readonly reason: string };

export interface Context {
  readonly host: Host;
  readonly tools: Tools;
}

export interface DumpJob extends Context {
  readonly scenario: Scenario;
  readonly pid: number;
  /** Exists and is empty. */
  readonly imagesDir: string;
  /** Exists; logs and `stats-dump` go here. */
  readonly workDir: string;
}

export interface VersionJob extends Context {
  readonly scenario: Scenario;
}

interface Common {
  /** As `--peer` takes it and every table shows it. */
  readonly name: string;
  readonly title: string;
  readonly group: Group;
  detect(context: Context): Promise<Presence>;
}

export interface DumpPeer extends Common {
  /** `archive`: the command leaves one archive in the images directory (peers/archive.ts). */
  readonly group: 'dump' | 'archive';
  command(job: DumpJob): readonly string[];
  /** From the command's standard output. */
  read?(stdout: string): Figures;
}

/** The images directory holds what CRIU dumped; the tree's pids are free. The command ends when all memory is there. */
export interface RestorePeer extends Common {
  readonly group: 'restore';
  command(job: DumpJob): readonly string[];
  /** From the command's standard output. */
  read?(stdout: string): RestoreFigures;
}

export interface RestoreFigures {
  readonly figures: Figures;
  /** Where the clock begins at another moment than the fork of the command; CLOCK_REALTIME. */
  readonly beganUs?: number;
}

/** What a runtime is asked about: a container with the tree in it. */
export interface ContainerJob extends DumpJob {
  readonly enter: (phase: RunPhase) => void;
  readonly signal?: AbortSignal | undefined;
  /** Path of the plain runtime. */
  readonly runc: string;
  readonly id: string;
  /** The runtime's --root. */
  readonly root: string;
}

/** With a scenario that repeats, `state`; else a checkpoint. */
export interface ContainerPeer extends Common {
  readonly group: 'container';
  command(job: ContainerJob): readonly string[];
}

export interface ContainerExportJob extends DumpJob {
  readonly podman: {
    /** Of every Podman that is to know its store. */
    readonly env: Readonly<Record<string, string>>;
    /** The command without its words. */
    readonly command: readonly string[];
    /** Where its runtime keeps the state of containers. */
    readonly runtimeRoot: string;
    /** Path of that runtime. */
    readonly runc: string;
  };
  /** The runtime's name for the container. */
  readonly id: string;
}

/** Leaves its archive where those of trees lie (peers/archive.ts). */
export interface ContainerExportPeer extends Common {
  readonly group: 'container-export';
  command(job: ContainerExportJob): Invocation;
}

/** What is asked of somebody who moves trees. */
export interface MigrateJob extends DumpJob {
  readonly hosts: Hosts;
  /** For images at the destination: exists, and is empty. */
  readonly copyDir: string;
}

export interface Invocation {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The command runs at the source and ends when the tree runs at the destination. */
export interface MigratePeer extends Common {
  readonly group: 'migrate';
  /** What waits at the destination beforehand, and ends by itself; its first line of output goes to `command`. */
  receiver?(job: MigrateJob): readonly string[];
  command(job: MigrateJob, greeting: string): Invocation;
  /** From the command's standard output. */
  read?(stdout: string): Figures;
}

/** A container that lives in one place and is wanted in another. */
export interface ContainerPlace {
  readonly id: string;
  /** The runtime's --root. */
  readonly root: string;
  readonly bundle: string;
}

export interface ContainerMigrateJob extends MigrateJob {
  readonly runc: string;
  readonly here: ContainerPlace;
  /** Only `root` and an empty `bundle` are there. */
  readonly there: ContainerPlace;
}

/** As MigratePeer. */
export interface ContainerMigratePeer extends Common {
  readonly group: 'container-migrate';
  receiver?(job: ContainerMigrateJob): readonly string[];
  command(job: ContainerMigrateJob, greeting: string): Invocation;
  /** From the command's standard output. */
  read?(stdout: string): Figures;
}

/** Work on files that are there. */
export interface FilesJob extends Context {
  readonly scenario: Scenario;
  /** A folder, or the file. */
  readonly input: string;
  /** Does not exist yet. */
  readonly output: string;
  /** What is looked for. */
  readonly needle: string;
}

export interface FilesPeer extends Common {
  readonly group: 'directory' | 'decode' | 'search';
  command(job: FilesJob): readonly string[];
  /** From the command's standard output. */
  read?(stdout: string): Figures;
}

export interface VersionPeer extends Common {
  readonly group: 'version';
  command(job: VersionJob): readonly string[];
}

export type Peer =
  | DumpPeer
  | FilesPeer
  | RestorePeer
  | ContainerPeer
  | ContainerExportPeer
  | ContainerMigratePeer
  | MigratePeer
  | VersionPeer;

/** What a driver of the `version` group prints: one number of microseconds per repetition, and CRIU's version as it was answered (in C: `answerHex`, the bytes). */
export interface VersionOutput {
  readonly samples: Readonly<Partial<Record<MetricName, readonly number[]>>>;
  readonly answer: string;
}
