// CRIU's response to a request, as what the request's kind brings back.

import { CheckpointError } from '../errors/checkpoint-error.js';
import type { CriuResponse } from '../schema/rpc.js';
import type { ExitStatus, Refused, RequestKind, Served, ServedPayloads } from './session.js';

/** Throws PROTOCOL when the response is for another request or lacks what this one must bring. */
export function answerOf<K extends RequestKind>(kind: K, response: CriuResponse): Served<K> | Refused {
  const expected = kind === 'PAGE_SERVER_CHLD' ? 'PAGE_SERVER' : kind;
  // CRIU answers EMPTY where it could not make sense of the request.
  if (response.type !== expected && (response.success || response.type !== 'EMPTY'))
    throw violation(kind, `a response of type ${typeName(response)}`);
  if (!response.success) return refusedOf(response);
  const payload: ServedPayloads[K] = PAYLOADS[kind](response);
  return { kind: 'served', ...payload };
}

function refusedOf({ cr_errno, cr_errmsg }: CriuResponse): Refused {
  return {
    kind: 'refused',
    ...(cr_errno === undefined ? {} : { errno: cr_errno }),
    ...(cr_errmsg === undefined ? {} : { message: cr_errmsg.trimEnd() }),
  };
}

const PAYLOADS: { readonly [K in RequestKind]: (response: CriuResponse) => ServedPayloads[K] } = {
  VERSION({ version }) {
    if (version === undefined) throw violation('VERSION', 'no version');
    const { major_number: major, minor_number: minor, sublevel = 0, gitid, name } = version;
    return {
      version: {
        major,
        minor,
        sublevel,
        ...(gitid === undefined ? {} : { gitid }),
        ...(name === undefined ? {} : { name }),
      },
    };
  },
  FEATURE_CHECK({ features }) {
    const { mem_track = false, lazy_pages = false, pidfd_store = false } = features ?? {};
    return { features: { mem_track, lazy_pages, pidfd_store } };
  },
  CHECK: nothing,
  CPUINFO_DUMP: nothing,
  CPUINFO_CHECK: nothing,
  DUMP: ({ dump }) => ({ restored: dump?.restored ?? false }),
  PRE_DUMP: nothing,
  SINGLE_PRE_DUMP: nothing,
  RESTORE({ restore }) {
    if (restore === undefined || restore.pid < 1) throw violation('RESTORE', 'no pid');
    return { pid: restore.pid };
  },
  PAGE_SERVER: ({ ps }) => ({ ...portOf(ps), ...(ps?.pid === undefined || ps.pid < 1 ? {} : { pid: ps.pid }) }),
  PAGE_SERVER_CHLD({ ps }) {
    if (ps?.pid === undefined || ps.pid < 1) throw violation('PAGE_SERVER_CHLD', 'no pid');
    return { ...portOf(ps), pid: ps.pid };
  },
  WAIT_PID({ status }) {
    if (status === undefined) throw violation('WAIT_PID', 'no status');
    return { exit: exitOf(status) };
  },
};

function nothing(): object {
  return {};
}

function portOf(ps: CriuResponse['ps']): { readonly port?: number } {
  return ps?.port === undefined || ps.port < 1 ? {} : { port: ps.port };
}

const SIGNAL_BITS = 0x7f;
const CORE_DUMPED = 0x80;

/** A status as waitpid(2) gives it. */
function exitOf(status: number): ExitStatus {
  const signal = status & SIGNAL_BITS;
  if (signal === 0) return { kind: 'exited', code: (status >> 8) & 0xff };
  return { kind: 'signaled', signal, coreDumped: (status & CORE_DUMPED) !== 0 };
}

function typeName({ type }: CriuResponse): string {
  return typeof type === 'string' ? type : String(type.raw);
}

function violation(kind: RequestKind, received: string): CheckpointError<'PROTOCOL'> {
  return new CheckpointError('PROTOCOL', `Cannot finish ${kind}: CRIU sent ${received}`, {
    received,
    expected: `an answer to ${kind}`,
  });
}
