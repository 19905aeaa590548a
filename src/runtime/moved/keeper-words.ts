// What a receiver and the keeper of its container's copy say to each other, one JSON document a line.

import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Held } from '../../migrate/destination/copy.js';
import type { RestorePlan } from './held-restore.js';

export type ToKeeper =
  /** What was made for the container, and is to go if the receiver ends without one that runs. */
  | { readonly kind: 'made'; readonly paths: readonly string[] }
  | { readonly kind: 'restore'; readonly plan: RestorePlan }
  /** In base64. */
  | { readonly kind: 'begin'; readonly inventory: string }
  | { readonly kind: 'resume' | 'remove' }
  /** The receiver has nothing more to do with it, and has cleared up itself. */
  | { readonly kind: 'bye' };

export type ToReceiver =
  /** The runtime has been started. */
  | { readonly kind: 'started' }
  | { readonly kind: 'removed' }
  | { readonly kind: 'held'; readonly held: Held }
  | { readonly kind: 'running'; readonly pid: number }
  /** As CheckpointError has it. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly detail: object };

/** Every document until the stream ends. */
export async function* wordsIn<W>(from: Readable): AsyncGenerator<W> {
  for await (const line of createInterface({ input: from })) yield JSON.parse(line) as W;
}
