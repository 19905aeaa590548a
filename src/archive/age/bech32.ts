// Bech32 (BIP 173), in which age writes keys: a prefix, "1", the bytes as groups of five bits, a checksum of six.

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATORS = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM_GROUPS = 6;

/** In lower case. */
export function toBech32(prefix: string, bytes: Uint8Array): string {
  const groups = regroup([...bytes], 8, 5, true);
  const sum = polymod([...spread(prefix), ...groups, ...Array<number>(CHECKSUM_GROUPS).fill(0)]) ^ 1;
  const checksum = Array.from({ length: CHECKSUM_GROUPS }, (_, i) => (sum >>> (5 * (5 - i))) & 31);
  return `${prefix}1${[...groups, ...checksum].map((group) => ALPHABET[group]).join('')}`;
}

/** Throws RangeError when `text` is not `bytes` bytes behind `prefix`, in one case throughout. */
export function fromBech32(text: string, prefix: string, bytes: number): Buffer {
  const lower = text.toLowerCase();
  const one = lower.lastIndexOf('1');
  if ((text !== lower && text !== text.toUpperCase()) || lower.slice(0, one) !== prefix)
    throw new RangeError(`it does not begin with "${prefix}1"`);
  const groups = [...lower.slice(one + 1)].map((letter) => ALPHABET.indexOf(letter));
  if (groups.includes(-1) || polymod([...spread(prefix), ...groups]) !== 1)
    throw new RangeError('a letter of it is wrong');
  const decoded = Buffer.from(regroup(groups.slice(0, -CHECKSUM_GROUPS), 5, 8, false));
  if (decoded.length !== bytes) throw new RangeError('it has the wrong length');
  return decoded;
}

function spread(prefix: string): readonly number[] {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  return [...codes.map((code) => code >>> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(groups: readonly number[]): number {
  let sum = 1;
  for (const group of groups) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ group;
    GENERATORS.forEach((generator, i) => {
      if (((top >>> i) & 1) === 1) sum ^= generator;
    });
  }
  return sum;
}

function regroup(groups: readonly number[], from: number, to: number, pad: boolean): readonly number[] {
  const made: number[] = [];
  let held = 0;
  let bits = 0;
  for (const group of groups) {
    held = (held << from) | group;
    bits += from;
    while (bits >= to) {
      bits -= to;
      made.push((held >>> bits) & ((1 << to) - 1));
    }
    held &= (1 << bits) - 1;
  }
  if (pad && bits > 0) made.push((held << (to - bits)) & ((1 << to) - 1));
  else if (!pad && (bits >= from || held !== 0)) throw new RangeError('bits of it are left over');
  return made;
}
