// Which layout an archive has: docs/archives.md has the table. `images` is what `tar` makes of an images directory alone.

export type ProfileName = 'neutral' | 'podman' | 'cri-o' | 'containerd';
export type FoundProfile = ProfileName | 'images';

/** Of an archive without an index, from the names of its members. */
export function profileOf(names: ReadonlySet<string>): FoundProfile {
  if (names.has('frazil.json')) return 'neutral';
  if (names.has('network.status')) return 'podman';
  if (names.has('status') || names.has('status.dump')) return 'containerd';
  return names.has('config.dump') && names.has('spec.dump') ? 'cri-o' : 'images';
}

/** Written without cutting an older, longer file: what follows the end is that file's, and no fault. */
export function mayHaveStaleTail(profile: FoundProfile): boolean {
  return profile === 'cri-o' || profile === 'containerd';
}
