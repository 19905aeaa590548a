// Why a peer got no more pages, in a sentence.

import { getSystemErrorName } from 'node:util';
import type { FeedFailure } from '../../addon/page-feeder.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';

type FeedError = CheckpointError<'IO'> | CheckpointError<'PROTOCOL'> | CheckpointError<'IMAGES_CORRUPT'>;

export function feedFailed(failure: FeedFailure, imagesDir: string): FeedError {
  const { fault, syscall } = failure;
  const page = `page 0x${failure.vaddr.toString(16)} of process ${failure.pid}`;
  const cannot = `Cannot go on serving pages from "${imagesDir}"`;
  const errno = failure.errno === 0 ? 'unknown' : getSystemErrorName(-failure.errno);
  switch (fault) {
    case 'hung-up':
      return new CheckpointError('IO', `${cannot}: the peer has hung up before it had all it needs`, {
        syscall,
        errno,
      });
    case 'source': {
      const message = `${cannot}: ${page} cannot be read: ${syscall} failed with ${errno}. Were the images changed?`;
      return new CheckpointError('IMAGES_CORRUPT', message, { imagesDir });
    }
    case 'not-there': {
      const message = `${cannot}: the peer asked for ${page}, which is not lazy there. Give it these images`;
      return new CheckpointError('PROTOCOL', message, { expected: 'a page that is lazy in the images' });
    }
    default: {
      const message = `${cannot}: the peer speaks no page protocol, or asks for what cannot be (${page})`;
      return new CheckpointError('PROTOCOL', message, { expected: 'GET or CLOSE' });
    }
  }
}
