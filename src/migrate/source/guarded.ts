// Starting the guardian (guardian.ts), and telling it.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Fd } from '../../addon/fd.js';
import { send, seqpacketPair } from '../../addon/sockets.js';
import { type Address, formatAddress, parseAddress } from '../wire/address.js';
import { type SourceSecurity, sourceSecurity } from '../wire/security.js';
import { formatToken } from '../wire/token.js';

/** What a guardian has to know. */
export interface Charge {
  readonly id: string;
  readonly to: Address;
  readonly security: SourceSecurity;
  readonly pids: readonly number[];
  /** How long to go on asking a destination that does not answer. */
  readonly patienceMs: number;
  /** A command; a function is gone with the process. */
  readonly networkSwitch?: string;
  /** What is to be run when the tree lives there: its runtime forgets the container. */
  readonly forget?: readonly string[];
  /** Where what was left behind is kept when the copy is lost. */
  readonly rescueTo?: string;
}

export interface Guardian {
  /** From now on it takes over if we end. Resolves when the words are out of our hands. */
  charge(charge: Charge): Promise<void>;
  /** What was left behind, to have and to keep. Before charge(). */
  entrust(images: Fd): void;
  /** The tree is about to be killed, and its pages are given out from here. Resolves as charge() does. */
  serving(): Promise<void>;
  /** It is known where the tree lives: the guardian ends with us. */
  release(): void;
}

export const SERVING = 'serving';
export const DECIDED = 'decided';
/** Inside the guardian: a socket in which what was left behind lies. */
export const LEFT_FD = 3;

// src/ and dist/ lie equally deep; the program is JavaScript in any case.
const PROGRAM = fileURLToPath(new URL('../../../dist/migrate/source/guardian.js', import.meta.url));

/** Starts one in a session of its own, so that what ends us does not end it. */
export function startGuardian(): Guardian {
  const [ours, theirs] = seqpacketPair();
  const child = spawn(process.execPath, [PROGRAM], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore', theirs.number],
  });
  theirs.close();
  // Without one a tree whose source is killed stays stopped: worse, never wrong.
  child.on('error', () => {});
  child.stdin?.on('error', () => {});
  child.unref();
  const write = (line: string): Promise<void> =>
    new Promise((resolve) => {
      child.stdin?.write(`${line}\n`, () => resolve());
    });
  return {
    charge: (charge) => write(formatCharge(charge)),
    // It lies in the socket if we are killed.
    entrust: (images) => send(ours, Buffer.from('left'), [images]),
    serving: () => write(SERVING),
    release: () => {
      child.stdin?.end(`${DECIDED}\n`);
      ours.close();
    },
  };
}

/** On one line. The secret of a token passes a pipe, never a command line. */
export function formatCharge({ id, to, security, pids, patienceMs, networkSwitch, forget, rescueTo }: Charge): string {
  const token = security.kind === 'token' ? formatToken(security.token) : undefined;
  const certificates = security.kind === 'certificates' ? security.files : undefined;
  const plaintext = security.kind === 'plaintext';
  return JSON.stringify({
    id,
    to: formatAddress(to),
    pids,
    patienceMs,
    networkSwitch,
    forget,
    rescueTo,
    token,
    certificates,
    ...(plaintext ? { plaintext } : {}),
  });
}

/** Of what formatCharge() made. */
export function parseCharge(line: string): Charge {
  const { id, to: where, pids, patienceMs, networkSwitch, forget, rescueTo, ...wishes } = JSON.parse(line);
  const to = parseAddress(where);
  const security = sourceSecurity(wishes, to);
  return {
    ...{ id, to, pids, patienceMs, security },
    ...(networkSwitch === undefined ? {} : { networkSwitch }),
    ...(forget === undefined ? {} : { forget }),
    ...(rescueTo === undefined ? {} : { rescueTo }),
  };
}
