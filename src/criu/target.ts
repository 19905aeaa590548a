// Where a checkpoint goes to and comes from, as a value. Archives, peers and stores join this union in later issues.

export interface ImagesDirectory {
  readonly kind: 'directory';
  readonly path: string;
  /** Whether a dump may replace the checkpoint that is there. Default: it is refused (IMAGES_EXIST). */
  readonly replace: boolean;
}

/** CRIU's own format: a directory of `*.img`, made with mode 0700 when it is not there. */
export function imagesDirectory(path: string, options: { readonly replace?: boolean } = {}): ImagesDirectory {
  if (path === '') throw new TypeError('Cannot use "" as an images directory: it is empty');
  return { kind: 'directory', path, replace: options.replace ?? false };
}
