// Requests to CRIU and its responses, as bytes. One packet of the SEQPACKET socket is one message, without a length in front.

import { CheckpointError } from '../errors/checkpoint-error.js';
import { decodeMessage, encodeMessage, MalformedMessage } from './codec.js';
import { type CriuRequest, type CriuResponse, RPC } from './rpc.js';

/** Throws TypeError or RangeError when an option does not fit its field: before anything is sent. */
export function encodeRequest(request: CriuRequest): Uint8Array {
  return encodeMessage(RPC, 'criu_req', request);
}

/** Throws CheckpointError PROTOCOL for bytes that are not a response. */
export function decodeResponse(bytes: Uint8Array): CriuResponse {
  return asProtocol(() => decodeMessage(RPC, 'criu_resp', bytes), bytes, 'criu_resp');
}

/** The other side's view, for the simulator of the tests and for the shim that libcriu talks to. */
export function decodeRequest(bytes: Uint8Array): CriuRequest {
  return asProtocol(() => decodeMessage(RPC, 'criu_req', bytes), bytes, 'criu_req');
}

export function encodeResponse(response: CriuResponse): Uint8Array {
  return encodeMessage(RPC, 'criu_resp', response);
}

const SHOWN_BYTES = 32;

function asProtocol<T>(decode: () => T, bytes: Uint8Array, expected: string): T {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof MalformedMessage)) throw cause;
    const received = `${bytes.length} bytes: ${Buffer.from(bytes.subarray(0, SHOWN_BYTES)).toString('hex')}`;
    throw new CheckpointError(
      'PROTOCOL',
      `Cannot read the message from CRIU: ${cause.message}`,
      { received, expected },
      { cause },
    );
  }
}
