// What an overlay writes into its upper layer beside files (Documentation/filesystems/overlayfs.rst in Linux).

import type { Found } from './folder.js';

/** A character device 0/0, or a file that says so where devices cannot be made (overlays in overlays, user namespaces). */
export function isWhiteout(found: Found): boolean {
  if (found.kind === 'character-device') return found.status.rdev === 0;
  return found.kind === 'file' && found.status.size === 0 && overlayXattr(found, 'whiteout') !== undefined;
}

/** Of a folder that hides what is below it. */
export function isOpaque(found: Found): boolean {
  return overlayXattr(found, 'opaque') === 'y';
}

export function overlayXattr({ xattrs }: Found, name: string): string | undefined {
  const value = xattrs.get(`trusted.overlay.${name}`) ?? xattrs.get(`user.overlay.${name}`);
  return value === undefined ? undefined : Buffer.from(value).toString('latin1');
}
