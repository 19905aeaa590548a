// A pagemap as the text of `crit decode`, written to an fd by native/page/pagemap_json.h: the one image with an entry per run of pages.
// What it does not understand (an image of a newer CRIU, a damaged one) is left to imageText(), which says more about it.

import { open } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Fd } from '../../addon/fd.js';
import { printPagemap } from '../../addon/images.js';
import { imageError } from '../pagemaps.js';

const MAGIC = Buffer.from('1943565425400856', 'hex');

/**
 * Prints the pagemap in the file `path` into `out`, a borrowed number, without a new line at the end. False, with nothing printed, when
 * it is no pagemap or has a fault near its beginning; a later fault is IMAGES_CORRUPT or FEATURE_MISSING.
 */
export async function printPagemapFile(
  path: string,
  out: number,
  { form, signal }: { readonly form: 'plain' | 'pretty'; readonly signal: AbortSignal },
): Promise<boolean> {
  using image = await openPagemap(path);
  if (image === undefined) return false;
  using target = Fd.duplicate(out);
  const { fault, bytes } = await printPagemap(image, target, { pretty: form === 'pretty', signal }).done;
  if (fault === undefined) return true;
  if (fault.flaw !== 'system' && bytes === 0) return false;
  throw imageError('decode', dirname(path), { ...fault, name: basename(path) });
}

// The file at its beginning, if it is regular and has the magic of a pagemap.
async function openPagemap(path: string): Promise<Fd | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    if (!(await handle.stat()).isFile()) return undefined;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return bytesRead === MAGIC.length && buffer.equals(MAGIC) ? Fd.duplicate(handle.fd) : undefined;
  } finally {
    await handle.close();
  }
}
