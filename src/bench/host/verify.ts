/** Compares the memory in an images directory with what the target said before the dump. A fast wrong pipeline must fail here. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Arena } from './target.js';

/** Bytes differ: the peer is broken, whatever its figures are. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes';
}

export interface ImagesCheck {
  readonly pages: number;
  readonly digests: readonly string[];
}

/** Throws WrongBytes for the first process whose memory is not in the directory as it was. */
export async function verifyImages(verify: string, imagesDir: string, arenas: readonly Arena[]): Promise<ImagesCheck> {
  const digests: string[] = [];
  for (const arena of arenas) digests.push(await verifyArena(verify, imagesDir, arena));
  return { pages: arenas.reduce((sum, { pages }) => sum + pages, 0), digests };
}

async function verifyArena(verify: string, imagesDir: string, arena: Arena): Promise<string> {
  const argv = [imagesDir, String(arena.pid), arena.address, String(arena.pages)];
  const { stdout } = await promisify(execFile)(verify, argv).catch((cause: unknown) => {
    const why = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : String(cause);
    throw new WrongBytes(`the images of process ${arena.pid} cannot be read: ${why}`, { cause });
  });
  const [digest, first, last, cut] = stdout.trim().split(' ');
  if (digest !== arena.digest) {
    throw new WrongBytes(
      `the images of process ${arena.pid} hold other bytes: digest ${digest}, the process has ${arena.digest}`,
    );
  }
  if (cut !== 'ok') {
    throw new WrongBytes(
      `the images of process ${arena.pid} mix moments: generations ${first} to ${last} are not one cut of its memory`,
    );
  }
  return digest;
}

/** The same processes, asked again: after a dump that left them running, or after a restore. */
export function verifyAnswers(before: readonly Arena[], after: readonly Arena[], when: string): void {
  for (const arena of before) {
    const now = after.find(({ pid }) => pid === arena.pid);
    if (now?.digest !== arena.digest) {
      throw new WrongBytes(
        `process ${arena.pid} has other memory ${when}: digest ${now?.digest}, it had ${arena.digest}`,
      );
    }
    if (!now.whole) throw new WrongBytes(`process ${arena.pid} has lost a write ${when}`);
  }
}
