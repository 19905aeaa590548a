// Metadata of checkpoint archives of container engines, as checkpointctl's library has it: exports only. docs/archives.md says what is what.

export {
  byteToString,
  readContainerConfig,
  readContainerdStatus,
  readDeletedFiles,
  readJsonFile,
  readNetworkStatus,
  readPodOptions,
  readSpec,
  readStatusDump,
  writeJsonFile,
  writeStruct,
} from './archive/metadata/files.js';
export {
  type GoField,
  type GoStruct,
  type GoType,
  goMarshal,
  goStruct,
  goUnmarshal,
  ZERO_TIME,
} from './archive/metadata/go-json.js';
export * from './archive/metadata/names.js';
export * from './archive/metadata/types.js';
