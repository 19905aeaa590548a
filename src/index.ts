// The public API: exports only.

export {
  type AskOptions,
  type CheckCall,
  type CpuinfoCall,
  check,
  cpuinfoCheck,
  cpuinfoDump,
  type Features,
  features,
  type Version,
  version,
} from './criu/ask.js';
export { type DoctorOptions, type DoctorReport, doctor } from './criu/doctor/doctor.js';
export { type CaptureReport, type DumpCall, dump } from './criu/dump.js';
export { explainPath, type LogExplanation } from './criu/explain.js';
export { type Located, locate } from './criu/locate.js';
export type { Operation } from './criu/operation.js';
export { type PageServer, type PageServerCall, pageServer } from './criu/page-server.js';
export { type PreDumpCall, preDump } from './criu/pre-dump.js';
export type { CaptureProgress } from './criu/progress.js';
export { type RestoreCall, type RestoreProgress, restore } from './criu/restore.js';
export { type ImagesDirectory, imagesDirectory } from './criu/target.js';
export type { ExitStatus, Tree } from './criu/tree.js';
export { CheckpointError, type ErrorCode, type ErrorDetails, type RefusedDetail } from './errors/checkpoint-error.js';
export type { Diagnosis } from './errors/diagnosis.js';
export { type Explanation, explain } from './errors/explain.js';
export { type LibcriuOptions, openLibcriu } from './rpc/libcriu.js';
export type {
  Answer,
  ExchangeOptions,
  Notification,
  Request,
  Session,
  Verdict,
} from './rpc/session.js';
export { openSwrk, type SwrkOptions } from './rpc/swrk.js';
