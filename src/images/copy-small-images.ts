// Everything of a checkpoint but its pages: for a level that stands above it or in its place.

import { constants } from 'node:fs';
import { chmod, copyFile, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const NOT_COPIED = /^(pagemap-(shmem-)?\d+\.img|pages-\d+\.img|parent|\.frazil-.*|.*\.log)$/;

/** Links are left out: CRIU makes none but `parent`. */
export async function copySmallImages(imagesDir: string, to: string): Promise<void> {
  for (const name of await readdir(imagesDir)) {
    const from = join(imagesDir, name);
    if (NOT_COPIED.test(name) || !(await lstat(from)).isFile()) continue;
    await copyFile(from, join(to, name), constants.COPYFILE_EXCL);
    await chmod(join(to, name), 0o600);
  }
}
