// What is decided before the first byte of a tree: whether it may come here, and what it arrives in. The source is told why not.

import { CheckpointError } from '../../errors/checkpoint-error.js';
import { type Hello, PROTOCOL_VERSION } from '../wire/messages.js';
import type { ReceiveOptions } from './options.js';
import { preflight } from './preflight.js';
import { type AcceptedVessel, openVessel } from './vessel.js';

export interface Threshold {
  readonly options: Pick<ReceiveOptions, 'criu' | 'container'>;
  /** Whether a migration of this id has come before. */
  readonly known: (id: string) => boolean;
  /** Of the receiver. */
  readonly ending: AbortSignal;
}

/** `why` is a clause. */
export interface Refusal {
  readonly code: 'PROTOCOL' | 'RESTORE_REFUSED';
  readonly why: string;
}

/** Never rejects. */
export async function admit(
  hello: Hello,
  threshold: Threshold,
): Promise<AcceptedVessel | { readonly refusal: Refusal }> {
  const unheard = misspoken(hello, threshold);
  if (unheard !== undefined) return { refusal: { code: 'PROTOCOL', why: unheard } };
  const mismatch = await compare(hello, threshold);
  if (mismatch !== undefined) return { refusal: { code: 'RESTORE_REFUSED', why: mismatch } };
  const { container: place, criu } = threshold.options;
  const opened = await openVessel({ moved: hello.container, place, criu });
  return 'refusal' in opened ? { refusal: { code: 'RESTORE_REFUSED', why: opened.refusal } } : opened;
}

/** What is told of it here. */
export function refused({ pid }: Hello, { code, why }: Refusal): CheckpointError {
  const message = `Cannot take process ${pid}: ${why}`;
  if (code === 'PROTOCOL') return new CheckpointError(code, message, {});
  return new CheckpointError(code, message, { causes: [], logExcerpt: [] });
}

function misspoken({ version, streams, id }: Hello, { ending, known }: Threshold): string | undefined {
  if (ending.aborted) return 'the receiver is about to end';
  if (version !== PROTOCOL_VERSION)
    return `the source speaks version ${version} of the protocol, this host ${PROTOCOL_VERSION}`;
  if (streams < 1) return 'no page stream was announced';
  return known(id) ? 'this migration is known already' : undefined;
}

async function compare(hello: Hello, { options: { criu }, ending }: Threshold): Promise<string | undefined> {
  try {
    return await preflight(hello, { criu, signal: ending });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
