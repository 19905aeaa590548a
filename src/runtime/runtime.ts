// What Frazil has to know of a runtime to drive it. One file each in runtimes/; a third is one file more.

import type { Flags } from './flags.js';
import type {
  CheckpointOptions,
  CreateOptions,
  DeleteOptions,
  ExecOptions,
  GlobalOptions,
  KillOptions,
  RestoreOptions,
  RunOptions,
} from './options.js';

/** Options that are no words: the caller of the table sees to them. */
export type Wordless = 'stdin' | 'stdout' | 'stderr' | 'signal' | 'preserveFds' | 'spec' | 'command' | 'statusFd';

type Table<O> = Flags<O, Extract<keyof O, Wordless>>;

export interface Runtime {
  readonly name: string;
  /** Its state root as root, when it is told none. */
  readonly defaultRoot: string;
  readonly global: Table<GlobalOptions>;
  readonly create: Table<CreateOptions>;
  readonly run: Table<RunOptions>;
  readonly exec: Table<ExecOptions>;
  readonly delete: Table<DeleteOptions>;
  readonly kill: Table<KillOptions>;
  readonly checkpoint: Table<CheckpointOptions>;
  readonly restore: Table<RestoreOptions>;
  /** A file in the state directory of a container, by which it is told from other directories. */
  readonly stateFile: string;
  /** Whether the program can checkpoint, by what it prints for `--version`, and for `features` where it has that. */
  canCheckpoint(printed: { readonly version: string; readonly features: string | undefined }): boolean;
}
