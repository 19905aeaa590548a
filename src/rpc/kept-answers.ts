/**
 * What CRIU has found out about the kernel, kept where it does not keep it itself. It asks for 35 to 50 ms, most of it for a network namespace that
 * it makes and removes, and keeps the answers in /run/criu.kdat, but on a tmpfs only, because they hold until the next boot. Where /run is
 * none, as in many containers, a small library in CRIU (native/criu/kept_answers.c) leads that path to a tmpfs that is there. Format, validity and
 * what to do with a file of another CRIU remain CRIU's own affair.
 */
import { existsSync, lstatSync, mkdirSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ADDON } from '../addon/load.js';

const TMPFS_MAGIC = 0x01021994;

export interface Places {
  /** CRIU's own place. */
  readonly run: string;
  /** Where a tmpfs is in place of it. */
  readonly shared: string;
  readonly library: string;
}

const PLACES: Places = { run: '/run', shared: '/dev/shm', library: join(dirname(ADDON), 'frazil-answers.so') };

/** What CRIU's environment has besides: nothing where it keeps them itself, or where nothing can be kept, which is slower, never wrong. */
export function keptAnswers(places: Places = PLACES): readonly string[] {
  // Somebody else's library would have to go before ours or behind it: which, we do not know.
  if (isTmpfs(places.run) || process.env['LD_PRELOAD'] !== undefined || !existsSync(places.library)) return [];
  if (IN_PIECES.test(places.library)) return [];
  const folder = ownFolder(places.shared);
  return folder === undefined ? [] : [`LD_PRELOAD=${places.library}`, `FRAZIL_ANSWERS=${folder}`];
}

// ld.so(8) takes what is between spaces and colons as a library each, the second of which would be looked for in the current directory, and
// puts something else in place of $LIB.
const IN_PIECES = /[\s:;$]/;
const STICKY = 0o1000;
const WRITTEN_BY_OTHERS = 0o022;

// Everybody may make folders in /dev/shm, and CRIU believes what it reads: so one that is not ours, that others may write to or that they may
// put another one in place of, is not used. Containers share a /dev/shm and are allowed different things by their kernel: each has its own.
function ownFolder(shared: string): string | undefined {
  const uid = process.geteuid?.();
  if (uid === undefined || !isTmpfs(shared)) return undefined;
  try {
    const { mode } = statSync(shared);
    if ((mode & WRITTEN_BY_OTHERS) !== 0 && (mode & STICKY) === 0) return undefined;
    const [namespace = ''] = /\d+/.exec(readlinkSync('/proc/self/ns/mnt')) ?? [];
    const path = join(shared, `.frazil-answers-${uid}-${namespace}`);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const found = lstatSync(path);
    return found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0 ? path : undefined;
  } catch {
    return undefined;
  }
}

function isTmpfs(path: string): boolean {
  try {
    return statfsSync(path).type === TMPFS_MAGIC;
  } catch {
    return false;
  }
}
