// The public API: exports only.

export {
  type Archive,
  type ArchiveOptions,
  archive,
  type ReadOptions,
  type WriteOptions,
} from './archive/archive.js';
export { archiveStream, type CreateCall, type CreateOptions, createArchive } from './archive/create/call.js';
export type { CreateProgress, CreateReport } from './archive/create/create.js';
export type { Addition } from './archive/create/profile-members.js';
export { extractArchive, listArchive, type ReadCall, verifyArchive } from './archive/lazily.js';
export type { FoundProfile, ProfileName } from './archive/profiles.js';
export type { ExtractReport } from './archive/read/extract.js';
export type { SeenMember, SignedBy } from './archive/read/ledger.js';
export type { ArchiveSummary, WalkProgress } from './archive/read/walk.js';
export type { AskOptions, CheckCall, CpuinfoCall, Features, Version } from './criu/ask.js';
export type { DoctorOptions, DoctorReport } from './criu/doctor/doctor.js';
export { type CaptureReport, type CheckpointCall, type CheckpointReport, type DumpCall, dump } from './criu/dump.js';
export type { LogExplanation } from './criu/explain.js';
export {
  dedup,
  diffMemory,
  type ImagesProgress,
  rewrite,
  searchMemory,
  squash,
  verifyChain,
} from './criu/image-verbs.js';
export {
  check,
  cpuinfoCheck,
  cpuinfoDump,
  doctor,
  explainPath,
  features,
  pageServer,
  servePages,
  version,
} from './criu/lazily.js';
export type { PeerAddress } from './criu/lazy/options.js';
export type { PagesServer, ServePagesCall, ServingProgress, ServingReport } from './criu/lazy/serve-pages.js';
export { type Located, locate } from './criu/locate.js';
export type { Operation } from './criu/operation.js';
export type { PageServer, PageServerCall } from './criu/page-server.js';
export { type PreDumpCall, preDump } from './criu/pre-dump.js';
export type { CaptureProgress } from './criu/progress.js';
export {
  type Copies,
  type CopiesCall,
  type FaultLatency,
  type Filling,
  type FillProgress,
  type FillReport,
  type LazyOptions,
  type RestoreCall,
  type RestoreProgress,
  restore,
} from './criu/restore.js';
export { type ImagesDirectory, imagesDirectory } from './criu/target.js';
export type { ExitStatus, Tree } from './criu/tree.js';
export { CheckpointError, type ErrorCode, type ErrorDetails, type RefusedDetail } from './errors/checkpoint-error.js';
export type { Diagnosis } from './errors/diagnosis.js';
export { type Explanation, explain } from './errors/explain.js';
export type { DedupReport } from './images/dedup.js';
export type { Change, DiffOptions, DiffReport, DiffRun, ImageDiff } from './images/diff.js';
export type { Change as RewriteChange } from './images/rewrite/draft.js';
export type { RewriteOptions, RewriteReport } from './images/rewrite/rewrite.js';
export type { PathRule, RewriteRules, SocketEnd, SocketRule } from './images/rewrite/rules.js';
export type { MemoryMatch, SearchOptions, SearchReport } from './images/search.js';
export type { SquashOptions, SquashReport } from './images/squash.js';
export type { ChainProblem, ChainReport, VerifyChainOptions } from './images/verify-chain.js';
export type { ContainerDestination } from './migrate/destination/options.js';
export { receive } from './migrate/lazily.js';
export { migrate } from './migrate/migrate.js';
export { addressSwitch, type MovedAddress } from './migrate/network/address-switch.js';
export type { NetworkStep, NetworkSwitch } from './migrate/network/switch.js';
export type { Arrival, ArrivedContainer, ReceiveOptions, Receiver } from './migrate/receive.js';
export type {
  DowntimeParts,
  IterationReport,
  LeftReport,
  MigrateOptions,
  MigrateProgress,
  MigrateReport,
  StageReport,
  Tracking,
} from './migrate/source/options.js';
export type {
  ContainerArchiveCall,
  ContainerArchiveProgress,
  ContainerArchiveReport,
} from './runtime/archived/checkpoint.js';
export type { ContainerRestoreCall, ContainerRestoreReport } from './runtime/archived/restore.js';
export type { ContainersCall } from './runtime/containers.js';
export type { FindCall, FoundContainer } from './runtime/find/find.js';
export type { Place as ContainerPlace } from './runtime/find/roots.js';
export type { Cgroup, Engine, Mount, Namespace } from './runtime/find/world.js';
export {
  checkpointContainer,
  containers,
  findContainer,
  findContainers,
  migrateContainer,
  restoreContainer,
} from './runtime/lazily.js';
export type { ContainerMigrateOptions, ContainerMigrateReport } from './runtime/moved/migrate.js';
export type { Volume } from './runtime/moved/vessel.js';
export {
  type CheckpointOperations,
  type CheckpointReport as ContainerCheckpointReport,
  type CommandResult,
  type Container,
  type ContainerOperations,
  checkpointOperations,
  hasCheckpoint,
} from './runtime/operations.js';
export type {
  CheckpointOptions as ContainerCheckpointOptions,
  CreateOptions as ContainerCreateOptions,
  DeleteOptions as ContainerDeleteOptions,
  ExecOptions as ContainerExecOptions,
  KillOptions as ContainerKillOptions,
  OciDocument,
  RestoreOptions as ContainerRestoreOptions,
  RunOptions as ContainerRunOptions,
} from './runtime/options.js';
