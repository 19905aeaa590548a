// Why the pages of a lazily restored tree could not be had, in a sentence.

import { constants } from 'node:os';
import type { LazyMessage } from '../../addon/lazy-program.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { LazyOptions } from './options.js';
import { nameOfPeer } from './peer.js';

/** Whose pages they are, for messages. */
export interface PagesOf {
  readonly imagesDir: string;
  readonly options: LazyOptions;
  /** They are at the source of a migration. */
  readonly left?: boolean;
}

export function lazyFailed(
  message: LazyMessage,
  { imagesDir, options: { pageServer: at }, left = false }: PagesOf,
): CheckpointError<'LAZY_FAILED'> {
  const { fault, image, vaddr, op } = message;
  const pageServer = at === undefined ? undefined : nameOfPeer(at);
  const whose = left
    ? 'the source of the migration'
    : pageServer === undefined
      ? undefined
      : `the page server ${pageServer}`;
  const page = image === 0 ? {} : { pid: image, vaddr: `0x${vaddr.toString(16)}` };
  const cause = op === '' ? {} : { syscall: op, errno: nameOf(message) };
  const text = `Cannot go on filling the tree restored from "${imagesDir}": ${why(message, whose)}. It has been killed`;
  const from = pageServer === undefined ? {} : { pageServer };
  return new CheckpointError('LAZY_FAILED', text, { imagesDir, fault, ...from, ...page, ...cause });
}

function why(message: LazyMessage, whose: string | undefined): string {
  const page = `page 0x${message.vaddr.toString(16)} of process ${message.image}`;
  switch (message.fault) {
    case 'source':
      if (whose !== undefined && message.level === 0) return peerFailed(message, page, whose);
      return `${page}${levelOf(message)} cannot be read: ${reason(message)}`;
    case 'unregistered':
      return `${page} is lazy in its images, but CRIU has not prepared it for that`;
    case 'server-died':
      return `the process that served its pages ended with ${nameOf(message)}`;
    case 'guardian-died':
      return 'the process that guarded its pages was killed';
    case 'caller':
      return message.op === 'recv' && nameOf(message) === 'EPIPE'
        ? 'its caller has ended'
        : 'its caller asked for the end';
    case 'protocol':
      return 'what spoke on its socket is not CRIU';
    default:
      return `${message.op} failed with ${nameOf(message)}`;
  }
}

function levelOf({ level }: LazyMessage): string {
  return level === 0 ? '' : ` in "${new Array<string>(level).fill('parent').join('/')}"`;
}

const REASONS: Readonly<Record<string, string>> = {
  ESTALE: 'its file was changed since the restore began',
  EFAULT: 'its file was cut short',
  ENODATA: 'its file is shorter than the pagemap says',
  EBADMSG: 'its pagemap is damaged',
  ENOENT: 'its images are not there',
};

const PEER_REASONS: Readonly<Record<string, string>> = {
  ECONNRESET: 'it has hung up',
  EPIPE: 'it has hung up',
  ETIMEDOUT: 'it does not answer',
  EBADMSG: 'it has answered with something else',
  ENODATA: 'it does not have it',
};

function peerFailed(message: LazyMessage, page: string, whose: string): string {
  const name = nameOf(message);
  const reason = PEER_REASONS[name] ?? `${message.op} failed with ${name}`;
  if (message.image === 0) return `${whose} is none that can be talked to: ${reason}`;
  return `${page} cannot be had from ${whose}: ${reason}`;
}

// What a library says of a frame: its own function's name.
const FRAME = /^(ZSTD_|LZ4F_)/;

function reason(message: LazyMessage): string {
  const name = nameOf(message);
  if (name === 'EBADMSG' && FRAME.test(message.op)) return 'the frame that it lies in is damaged';
  return REASONS[name] ?? `${message.op} failed with ${name}`;
}

function nameOf({ fault, op, error }: LazyMessage): string {
  if (op === 'exit') return `status ${error}`;
  const known = op === 'signal' || fault === 'guardian-died' ? constants.signals : constants.errno;
  return Object.entries(known).find(([, number]) => number === error)?.[0] ?? `${error}`;
}

/** For a file that Node could not open. */
export function ioFailure(what: string, path: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    const detail = { path, syscall: cause.syscall ?? 'unknown', errno: cause.code ?? 'unknown' };
    throw new CheckpointError('IO', `${what}: ${detail.errno}`, detail, { cause });
  };
}
