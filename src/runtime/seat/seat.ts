// The seat: a folder for a runtime's PATH in which `criu` is our own program (native/seat), and the socket at which that
// program reports. ADR 11 says why; docs/design/containers.md has the picture.
//
// The folder is 0700 and below the system's temporary directory: whoever could connect could make us relay to a CRIU that runs as root.

import { constants } from 'node:fs';
import { access, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Fd } from '../../addon/fd.js';
import { accept, listenSeqpacket, type Peer } from '../../addon/listener.js';
import { ADDON } from '../../addon/load.js';
import { receive, send, seqpacketPair } from '../../addon/sockets.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { openScratch } from '../../images/scratch.js';

/** A CRIU that the runtime has started, before it is one: it waits to be told which fds it gets. */
export interface Seated extends Disposable {
  /** Of the seat, and of CRIU after it: a child of the runtime. */
  readonly pid: number;
  /** Who asks: the process that made the socket. Numbers of fds in its request are numbers in this one. */
  readonly asker: number;
  /** The runtime's conversation with its CRIU. */
  readonly runtime: Fd;
  /** Under which number that is open in the seat: free to be used again. */
  readonly control: number;
  /**
   * Lets it become CRIU with these fds under these numbers (3 to 4095); the first is its control socket. They stay the caller's.
   * IO (EPIPE) when the seat was killed.
   */
  become(fds: ReadonlyArray<{ readonly fd: Fd; readonly as: number }>): void;
}

/** Lets it become CRIU, with nothing but a control socket; the other end of that. Throws as become(). */
export function becomeCriu(seated: Seated): Fd {
  const [criu, theirs] = seqpacketPair();
  try {
    seated.become([{ fd: theirs, as: seated.control }]);
    return criu;
  } catch (error) {
    criu.close();
    throw error;
  } finally {
    theirs.close();
  }
}

export interface Seat extends AsyncDisposable {
  /** What the runtime's environment needs besides its own: PATH begins with the seat. */
  readonly env: Readonly<Record<string, string>>;
  /** The next CRIU that the runtime starts. Rejects with ABORTED. */
  next(signal: AbortSignal): Promise<Seated>;
}

export interface SeatOptions {
  /** Path of the real CRIU. */
  readonly criu: string;
  /** PATH behind the seat. Default: ours. */
  readonly path?: string | undefined;
}

/** ADDON_MISSING when the seat has not been built; IO when the folder cannot be made. */
export async function openSeat({ criu, path = process.env['PATH'] ?? '' }: SeatOptions): Promise<Seat> {
  const program = await findSeat();
  const scratch = await openScratch('seat');
  const folder = scratch.path;
  try {
    await symlink(program, join(folder, 'criu'));
    const socket = join(folder, 'socket');
    const listener = listenSeqpacket(socket);
    return {
      env: { PATH: `${folder}:${path}`, FRAZIL_SEAT: socket, FRAZIL_SEAT_CRIU: criu },
      next: (signal) => nextSeated(listener, signal),
      [Symbol.asyncDispose]: async () => {
        listener.close();
        await scratch[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await scratch[Symbol.asyncDispose]();
    throw error;
  }
}

// Beside the addon: both are made by the same build.
async function findSeat(): Promise<string> {
  const program = join(dirname(ADDON), 'criu-seat');
  try {
    await access(program, constants.X_OK);
    return program;
  } catch (cause) {
    const message = `Cannot sit in CRIU's seat: "${program}" is missing. Run "npm run build:native", or "npm rebuild frazil" where it is a dependency`;
    throw new CheckpointError('ADDON_MISSING', message, { tried: [program] }, { cause });
  }
}

async function nextSeated(listener: Fd, signal: AbortSignal): Promise<Seated> {
  for (;;) {
    const peer = await accept(listener, { signal }).done;
    const seated = await greet(peer, signal);
    if (seated !== undefined) return seated;
  }
}

// Nothing for a seat that was killed before it said a word, and for what is no seat: the runtime learns that its CRIU failed.
async function greet({ socket, pid }: Peer, signal: AbortSignal): Promise<Seated | undefined> {
  const hello = await receive(socket, { signal }).done.catch((error: unknown) => {
    socket.close();
    throw error;
  });
  const [runtime, ...more] = hello?.fds ?? [];
  for (const fd of more) fd.close();
  const said = HELLO.exec(text(hello?.bytes ?? new Uint8Array()));
  if (runtime === undefined || said === null) {
    runtime?.close();
    socket.close();
    return undefined;
  }
  return {
    pid,
    asker: Number(said[2]),
    runtime,
    control: Number(said[1]),
    become: (fds) => {
      send(
        socket,
        new TextEncoder().encode(fds.map(({ as }) => as).join(' ')),
        fds.map(({ fd }) => fd),
      );
      socket.close();
    },
    [Symbol.dispose]: () => {
      socket.close();
      runtime.close();
    },
  };
}

const HELLO = /^swrk (\d{1,4}) (\d{1,10})$/;

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
