// Names of what is in a checkpoint archive of a container engine, as checkpointctl's library has them (lib/metadata.go, lib/annotations.go).

export const CONFIG_DUMP_FILE = 'config.dump';
export const SPEC_DUMP_FILE = 'spec.dump';
/** containerd only: the CRI status. */
export const STATUS_DUMP_FILE = 'status.dump';
/** containerd only: its own status. */
export const STATUS_FILE = 'status';
export const NETWORK_STATUS_FILE = 'network.status';
export const CHECKPOINT_DIRECTORY = 'checkpoint';
export const CHECKPOINT_VOLUMES_DIRECTORY = 'volumes';
export const DEV_SHM_CHECKPOINT_TAR = 'devshm-checkpoint.tar';
export const ROOTFS_DIFF_TAR = 'rootfs-diff.tar';
export const DELETED_FILES_FILE = 'deleted.files';
export const DUMP_LOG_FILE = 'dump.log';
export const RESTORE_LOG_FILE = 'restore.log';
export const POD_OPTIONS_FILE = 'pod.options';
export const POD_DUMP_FILE = 'pod.dump';
export const PAGES_PREFIX = 'pages-';
export const AMDGPU_PAGES_PREFIX = 'amdgpu-pages-';

const PREFIX = 'org.criu.checkpoint.';

/** Annotations of an OCI image that is a checkpoint. */
export const CHECKPOINT_ANNOTATIONS = {
  engine: `${PREFIX}engine.name`,
  engineVersion: `${PREFIX}engine.version`,
  /** The one that containerd tests for. */
  name: `${PREFIX}container.name`,
  pod: `${PREFIX}pod.name`,
  podId: `${PREFIX}pod.id`,
  namespace: `${PREFIX}pod.namespace`,
  podUid: `${PREFIX}pod.uid`,
  rootfsImageName: `${PREFIX}rootfsImageName`,
  rootfsImageUserRequested: `${PREFIX}rootfsImageUserRequested`,
  rootfsImageSha: `${PREFIX}rootfsImageSha`,
  rootfsImageId: `${PREFIX}rootfsImageID`,
  rawImageName: `${PREFIX}rawImageName`,
  runtimeName: `${PREFIX}runtime.name`,
  runtimeVersion: `${PREFIX}runtime.version`,
  criuVersion: `${PREFIX}criu.version`,
  conmonVersion: `${PREFIX}conmon.version`,
  hostArch: `${PREFIX}host.arch`,
  hostKernel: `${PREFIX}host.kernel`,
  cgroupVersion: `${PREFIX}cgroup.version`,
  distributionName: `${PREFIX}distribution.name`,
  distributionVersion: `${PREFIX}distribution.version`,
} as const;
