// Ctrl-C: the first asks the verb to end in good order, which for a dump means that the tree runs on; the second ends the process
// at once. CRIU is not killed in either case: it notices that we are gone and resumes the tree.

import { EXIT } from './exit-code.js';
import type { Terminal } from './terminal.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The part of `process` that is needed. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): void;
}

export interface Interruption {
  readonly signal: AbortSignal;
  /** Replaces what the next signal does, such as while a restored tree runs in the foreground; returns the way back. */
  divert(onSignal: () => void): () => void;
}

/** Listens from now on. */
export function interruptible(source: SignalSource, terminal: Terminal): Interruption {
  const controller = new AbortController();
  let diverted: (() => void) | undefined;
  const listener = (): void => {
    if (diverted !== undefined) {
      diverted();
    } else if (controller.signal.aborted) {
      source.exit(EXIT.aborted);
    } else {
      terminal.say('frazil: ending in good order; once more ends at once');
      controller.abort();
    }
  };
  for (const signal of SIGNALS) source.on(signal, listener);
  return {
    signal: controller.signal,
    divert(onSignal) {
      diverted = onSignal;
      return () => {
        diverted = undefined;
      };
    },
  };
}
