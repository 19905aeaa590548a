// The `extra` of crit's JSON as what follows a message.

import type { Entry } from '../../schema/images.js';
import type { Extra, QueuedMessage } from '../codec/extras.js';
import type { ExtraName } from '../codec/types.js';
import { base64Bytes } from './base64.js';
import type { Json } from './json.js';
import { bytesAt, messageFromJson, objectAt } from './values.js';

const MAX_SEMAPHORE = 65_535;

/** Throws TypeError that names the place. */
export function extraFromJson(name: ExtraName, json: Json, place: string): Extra {
  switch (name) {
    case 'tcp-queues': {
      const { inq = '', outq = '' } = objectAt(json, place);
      return {
        kind: 'tcp-queues',
        inq: bytesAt(inq, base64Bytes, `${place}.inq`),
        outq: bytesAt(outq, base64Bytes, `${place}.outq`),
      };
    }
    case 'semaphores':
      return { kind: 'semaphores', values: listAt(json, place).map((value, i) => semaphore(value, `${place}[${i}]`)) };
    case 'messages':
      return { kind: 'messages', messages: queued(listAt(json, place), place) };
    default:
      return { kind: 'bytes', bytes: bytesAt(json, base64Bytes, place) };
  }
}

// Message, contents, message, contents, ...
function queued(list: readonly Json[], place: string): readonly QueuedMessage[] {
  if (list.length % 2 !== 0) throw new TypeError(`${place}: the last message has no contents`);
  return Array.from({ length: list.length / 2 }, (_, i) => {
    const head = objectAt(list[2 * i] ?? null, `${place}[${2 * i}]`);
    return {
      message: messageFromJson('ipc_msg', head, `${place}[${2 * i}]`) as Entry<'ipc_msg'>,
      bytes: bytesAt(list[2 * i + 1] ?? null, base64Bytes, `${place}[${2 * i + 1}]`),
    };
  });
}

function semaphore(value: Json, place: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_SEMAPHORE) return value;
  throw new TypeError(`${place}: a number up to ${MAX_SEMAPHORE} is expected`);
}

function listAt(json: Json, place: string): readonly Json[] {
  if (!Array.isArray(json)) throw new TypeError(`${place}: a list is expected`);
  return json;
}
