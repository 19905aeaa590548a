// What is not of a container's root filesystem though it lies in the upper layer: engines make it anew for every container. The lists are
// those of Podman (containers/libpod) and CRI-O; containerd takes what its snapshotter says.

import type { ProfileName } from '../profiles.js';

const PODMAN = [
  '/dev',
  '/etc/hostname',
  '/etc/hosts',
  '/etc/mtab',
  '/etc/resolv.conf',
  '/proc',
  '/run',
  '/run/.containerenv',
  '/run/notify',
  '/run/podman-init',
  '/run/secrets',
  '/sys',
];
const CRI_O = ['/dev', '/dev/shm', '/proc', '/run', '/run/.containerenv', '/run/secrets', '/sys'];

const IGNORED: Readonly<Record<ProfileName, readonly string[]>> = {
  neutral: PODMAN,
  podman: PODMAN,
  'cri-o': CRI_O,
  containerd: [],
};

/** `spec` is config.json: CRI-O leaves out what was bound into the container, too. */
export function isIgnored(profile: ProfileName, spec: string | undefined): (path: string) => boolean {
  const bound = profile === 'cri-o' && spec !== undefined ? boundIn(spec) : [];
  const all = new Set([...IGNORED[profile], ...bound]);
  return (path) => all.has(path);
}

function boundIn(spec: string): readonly string[] {
  const parsed: unknown = JSON.parse(spec);
  const mounts = field(parsed, 'mounts');
  if (!Array.isArray(mounts)) return [];
  return mounts.flatMap((mount: unknown) => {
    const destination = field(mount, 'destination');
    return field(mount, 'type') === 'bind' && typeof destination === 'string' ? [destination] : [];
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
