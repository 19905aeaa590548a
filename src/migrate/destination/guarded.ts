// Starting the destination's guardian (guardian.ts), and telling it. What is told stays told when we are killed: it is in the pipe then.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Fd } from '../../addon/fd.js';
import type { DoorKeys } from '../wire/tls-destination.js';

/** A held copy, of which the source will be told. */
export interface Charge {
  readonly id: string;
  /** Pids of who holds it, of which the end tells that there is an outcome: CRIU, or the keeper of a container; and of its root task. */
  readonly criu: number;
  readonly root: number;
  /** Of CRIU's log. It was empty, and the source writes nothing there. */
  readonly workDir: string;
  /** It runs without some of its pages, which are at the source, until `filled`. */
  readonly lacking: boolean;
  /** Who may ask. Absent with plaintext. */
  readonly door: DoorKeys | undefined;
}

export type Told =
  | { readonly kind: 'charge'; readonly charge: Charge }
  | { readonly kind: 'filled'; readonly id: string }
  /** The source knows how it has ended. */
  | { readonly kind: 'settled'; readonly id: string }
  /** The receiver ends in good order. */
  | { readonly kind: 'bye' };

export interface Guardian {
  /** Resolves when the guardian will know; rejects when there is none any more. */
  tell(told: Told): Promise<void>;
}

export interface Guarded {
  /** The listening socket. Borrowed for the call, as the next one. */
  readonly socket: Fd;
  /** The folder of images, locked. */
  readonly lock: Fd;
  readonly folder: string;
  /** Of a unix socket, else empty. */
  readonly socketPath: string;
}

export const RESTORE_LOG = 'restore.log';
/** What became of a copy, in its working directory: written by who held it, where that was not CRIU alone. */
export const OUTCOME = 'outcome';
export type CopyOutcome = 'running' | 'gone';
/** Of the listening socket, inside the guardian. */
export const SOCKET_FD = 3;

// src/ and dist/ lie equally deep; the program is JavaScript in any case.
const PROGRAM = fileURLToPath(new URL('../../../dist/migrate/destination/guardian.js', import.meta.url));

/** Starts one in a session of its own, so that what ends us does not end it. */
export function startGuardian({ socket, lock, folder, socketPath }: Guarded): Guardian {
  const child = spawn(process.execPath, [PROGRAM, folder, socketPath], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore', socket.number, lock.number],
  });
  let lost: Error | undefined;
  const lose = (why: Error): void => {
    lost ??= why;
  };
  child.on('error', lose).on('exit', () => lose(new Error('it has ended')));
  child.stdin?.on('error', lose);
  child.unref();
  return {
    async tell(told) {
      const written = new Promise<void>((resolve) => {
        child.stdin?.write(`${JSON.stringify(told)}\n`, () => resolve());
      });
      await written;
      if (lost !== undefined)
        throw new Error('Cannot answer for the copy if this process is killed: its guardian has ended', {
          cause: lost,
        });
    },
  };
}
