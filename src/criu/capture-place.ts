// Where a capture goes: what an images directory and an archive have in common, seen from the conversation with CRIU.

import type { Fd } from '../addon/fd.js';
import type { PageSink } from '../addon/page-sink.js';
import type { StoreFacts, StoreVerdict } from '../pages/store.js';

export interface CapturePlace extends AsyncDisposable {
  /** As messages name it. */
  readonly path: string;
  readonly workDir: string;
  /** For `images_dir_fd`: where CRIU writes the small images. */
  readonly images: Fd;
  /** Which way the pages take. */
  choose(facts: StoreFacts): StoreVerdict;
  openSink(options: SinkChoice): Promise<PageSink>;
  /** Everything but what makes it visible: rejects with ABORTED or IO. */
  settle(sink: PageSink, signal: AbortSignal): Promise<void>;
  /** Makes it visible, or leaves all as it was and rejects with IO. Deaf to aborts. */
  commit(): Promise<void>;
}

export interface SinkChoice {
  readonly store: 'memory' | 'directory';
  /** What may be absorbed in memory. */
  readonly memoryBytes: number;
}
