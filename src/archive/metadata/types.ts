// The structures in an archive of a container engine, under the names that they have in JSON. Times are RFC 3339 with up to nine digits, as
// text: JavaScript's own times would lose six of them.

import type { GoStruct } from './go-json.js';

/** `config.dump`, as far as all engines agree; Podman's has more. */
export interface ContainerConfig {
  readonly id: string;
  readonly name: string;
  readonly rootfsImage: string;
  readonly rootfsImageRef: string;
  readonly rootfsImageName: string;
  readonly runtime: string;
  readonly createdTime: string;
  readonly checkpointedTime: string;
  readonly restoredTime: string;
  readonly restored: boolean;
}

/** containerd's `status`: times are nanoseconds since 1970, ExitCode and Pid as the kernel has them. */
export interface ContainerdStatus {
  readonly CreatedAt: number;
  readonly StartedAt: number;
  readonly FinishedAt: number;
  readonly ExitCode: number;
  readonly Pid: number;
  readonly Reason: string;
  readonly Message: string;
}

export interface KubernetesCheckpoint {
  readonly archive: string;
  readonly size: number;
  readonly timestamp: number;
}

export interface KubernetesContainerCheckpointMetadata {
  readonly podFullName: string;
  readonly containerName: string;
  readonly totalSize: number;
  /** Null where Go has no slice. */
  readonly checkpoints: readonly KubernetesCheckpoint[] | null;
}

/** `pod.options`. */
export interface CheckpointedPodOptions {
  readonly version: number;
  /** Short name to full name. */
  readonly containers: Readonly<Record<string, string>> | null;
  readonly annotations: Readonly<Record<string, string>> | null;
}

/** `network.status` of Podman: network name to its interfaces. */
export type PodmanNetworkStatus = Readonly<
  Record<
    string,
    {
      readonly interfaces?: Readonly<
        Record<
          string,
          {
            readonly subnets?: readonly { readonly ipnet: string; readonly gateway?: string }[];
            readonly mac_address?: string;
          }
        >
      >;
    }
  >
>;

export const CONTAINER_CONFIG: GoStruct = {
  name: 'ContainerConfig',
  fields: [
    { key: 'id', type: 'string' },
    { key: 'name', type: 'string' },
    { key: 'rootfsImage', type: 'string', omitEmpty: true },
    { key: 'rootfsImageRef', type: 'string', omitEmpty: true },
    { key: 'rootfsImageName', type: 'string', omitEmpty: true },
    { key: 'runtime', type: 'string', omitEmpty: true },
    { key: 'createdTime', type: 'time.Time' },
    { key: 'checkpointedTime', type: 'time.Time' },
    { key: 'restoredTime', type: 'time.Time' },
    { key: 'restored', type: 'bool' },
  ],
};

export const CONTAINERD_STATUS: GoStruct = {
  name: 'ContainerdStatus',
  fields: [
    { key: 'CreatedAt', type: 'int64' },
    { key: 'StartedAt', type: 'int64' },
    { key: 'FinishedAt', type: 'int64' },
    { key: 'ExitCode', type: 'int32' },
    { key: 'Pid', type: 'uint32' },
    { key: 'Reason', type: 'string' },
    { key: 'Message', type: 'string' },
  ],
};

const KUBERNETES_CHECKPOINT: GoStruct = {
  name: 'KubernetesCheckpoint',
  fields: [
    { key: 'archive', type: 'string', omitEmpty: true },
    { key: 'size', type: 'int64', omitEmpty: true },
    { key: 'timestamp', type: 'int64', omitEmpty: true },
  ],
};

export const KUBERNETES_CONTAINER_CHECKPOINT_METADATA: GoStruct = {
  name: 'KubernetesContainerCheckpointMetadata',
  fields: [
    { key: 'podFullName', type: 'string', omitEmpty: true },
    { key: 'containerName', type: 'string', omitEmpty: true },
    { key: 'totalSize', type: 'int64', omitEmpty: true },
    { key: 'checkpoints', type: { list: KUBERNETES_CHECKPOINT } },
  ],
};

export const CHECKPOINTED_POD_OPTIONS: GoStruct = {
  name: 'CheckpointedPodOptions',
  fields: [
    { key: 'version', type: 'int' },
    { key: 'containers', type: 'map[string]string' },
    { key: 'annotations', type: 'map[string]string', omitEmpty: true },
  ],
};
