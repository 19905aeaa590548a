// Records of a pax extended header, from an untrusted archive: `LENGTH KEY=VALUE\n`, where LENGTH counts itself. Strict: what two readers
// could understand differently is refused, because one of them decides what is safe and the other unpacks.

/** Values are bytes: an attribute need not be text. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const MOST_DIGITS = 8;

/** Throws RangeError saying what is wrong. */
export function parsePax(body: Buffer): PaxRecords {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(SPACE, at);
    const digits = space === -1 ? '' : body.toString('latin1', at, Math.min(space, at + MOST_DIGITS + 1));
    if (!/^[1-9]\d{0,7}$/.test(digits)) throw new RangeError('a record of its pax header has no length');
    const end = at + Number(digits);
    if (end > body.length || end <= space + 1 || body[end - 1] !== NEWLINE)
      throw new RangeError('a record of its pax header has a wrong length');
    const equals = body.indexOf(EQUALS, space);
    if (equals === -1 || equals >= end) throw new RangeError('a record of its pax header has no key');
    const key = body.toString('utf8', space + 1, equals);
    if (records.has(key)) throw new RangeError(`its pax header says "${key}" twice`);
    records.set(key, body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}
