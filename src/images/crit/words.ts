// The words that crit writes for numbers (lib/pycriu/images/pb2dict.py), under the names that the annotations of the schema use.

type Flags = readonly (readonly [name: string, bits: number])[];

export const FLAGS: Readonly<Record<string, Flags>> = {
  'mmap.prot': [
    ['PROT_READ', 0x1],
    ['PROT_WRITE', 0x2],
    ['PROT_EXEC', 0x4],
  ],
  'mmap.flags': [
    ['MAP_SHARED', 0x1],
    ['MAP_PRIVATE', 0x2],
    ['MAP_DROPPABLE', 0x8],
    ['MAP_ANON', 0x20],
    ['MAP_GROWSDOWN', 0x100],
  ],
  'mmap.status': [
    ['VMA_AREA_NONE', 0],
    ['VMA_AREA_REGULAR', 2 ** 0],
    ['VMA_AREA_STACK', 2 ** 1],
    ['VMA_AREA_VSYSCALL', 2 ** 2],
    ['VMA_AREA_VDSO', 2 ** 3],
    ['VMA_AREA_HEAP', 2 ** 5],
    ['VMA_FILE_PRIVATE', 2 ** 6],
    ['VMA_FILE_SHARED', 2 ** 7],
    ['VMA_ANON_SHARED', 2 ** 8],
    ['VMA_ANON_PRIVATE', 2 ** 9],
    ['VMA_AREA_SYSVIPC', 2 ** 10],
    ['VMA_AREA_SOCKET', 2 ** 11],
    ['VMA_AREA_VVAR', 2 ** 12],
    ['VMA_AREA_AIORING', 2 ** 13],
    ['VMA_AREA_MEMFD', 2 ** 14],
    ['VMA_AREA_SHSTK', 2 ** 15],
    ['VMA_AREA_UPROBES', 2 ** 17],
    ['VMA_UNSUPP', 2 ** 31],
  ],
  'rfile.flags': [
    ['O_WRONLY', 0o1],
    ['O_RDWR', 0o2],
    ['O_CREAT', 0o100],
    ['O_EXCL', 0o200],
    ['O_NOCTTY', 0o400],
    ['O_TRUNC', 0o1000],
    ['O_APPEND', 0o2000],
    ['O_NONBLOCK', 0o4000],
    ['O_DSYNC', 0o10000],
    ['FASYNC', 0o20000],
    ['O_DIRECT', 0o40000],
    ['O_LARGEFILE', 0o100000],
    ['O_DIRECTORY', 0o200000],
    ['O_NOFOLLOW', 0o400000],
    ['O_NOATIME', 0o1000000],
    ['O_CLOEXEC', 0o2000000],
  ],
  'pmap.flags': [
    ['PE_PARENT', 2 ** 0],
    ['PE_LAZY', 2 ** 1],
    ['PE_PRESENT', 2 ** 2],
  ],
  'seals.flags': [
    ['F_SEAL_SEAL', 0x1],
    ['F_SEAL_SHRINK', 0x2],
    ['F_SEAL_GROW', 0x4],
    ['F_SEAL_WRITE', 0x8],
    ['F_SEAL_FUTURE_WRITE', 0x10],
  ],
};

/** By annotation and field. Zombie and Stopped are swapped, as in crit: text that crit must read back. */
export const WORDS: Readonly<Record<string, Readonly<Record<string, Readonly<Record<number, string>>>>>> = {
  gen: { task_state: { 1: 'Alive', 3: 'Zombie', 6: 'Stopped' } },
  sk: {
    family: { 1: 'UNIX', 2: 'INET', 10: 'INET6', 16: 'NETLINK', 17: 'PACKET' },
    type: { 1: 'STREAM', 2: 'DGRAM', 3: 'RAW', 5: 'SEQPACKET', 10: 'PACKET' },
    state: {
      1: 'ESTABLISHED',
      2: 'SYN_SENT',
      3: 'SYN_RECV',
      4: 'FIN_WAIT1',
      5: 'FIN_WAIT2',
      6: 'TIME_WAIT',
      7: 'CLOSE',
      8: 'CLOSE_WAIT',
      9: 'LAST_ACK',
      10: 'LISTEN',
    },
    proto: { 0: 'IP', 6: 'TCP', 17: 'UDP', 136: 'UDPLITE' },
  },
};

/** "PROT_READ | PROT_WRITE"; bits without a name in hexadecimal; nothing for 0. */
export function flagsText(value: bigint, flags: Flags): string {
  const names = flags.filter(([, bits]) => (value & BigInt(bits)) !== 0n).map(([name]) => name);
  const rest = flags.reduce((left, [, bits]) => left & ~BigInt(bits), value);
  return [...names, ...(rest === 0n ? [] : [hexText(rest)])].join(' | ');
}

/** Undefined when a word is neither a flag nor a number. */
export function flagsValue(text: string, flags: Flags): bigint | undefined {
  let value = 0n;
  if (text === '') return value;
  for (const word of text.split('|').map((each) => each.trim())) {
    const bits = flags.find(([name]) => name === word)?.[1] ?? integerValue(word);
    if (bits === undefined) return undefined;
    // A sum and not a union, as crit: a word given twice is a mistake that the range of the field finds.
    value += BigInt(bits);
  }
  return value;
}

export function hexText(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** What Python's int(text, 0) takes. */
export function integerValue(text: string): bigint | undefined {
  const match =
    /^\s*([+-]?)(0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?0)*|[1-9](?:_?\d)*)\s*$/.exec(text);
  if (match === null) return undefined;
  const digits = (match[2] ?? '').replaceAll('_', '');
  const value = BigInt(digits);
  return match[1] === '-' ? -value : value;
}

const MINOR_BITS = 20n;
const MINOR_MASK = (1n << MINOR_BITS) - 1n;

/** "major:minor" of the kernel's dev_t, or with `odev` of the C library's. */
export function deviceText(value: bigint, odev: 'odev' | 'dev'): string {
  if (odev === 'dev') return `${value >> MINOR_BITS}:${value & MINOR_MASK}`;
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

export function deviceValue(text: string, odev: 'odev' | 'dev'): bigint | undefined {
  const match = /^\s*(\d+)\s*:\s*(\d+)\s*$/.exec(text);
  if (match === null) return undefined;
  const major = BigInt(match[1] ?? '');
  const minor = BigInt(match[2] ?? '');
  if (odev === 'dev') return (major << MINOR_BITS) | minor;
  return ((major & 0xfffn) << 8n) | ((major & 0xfffff000n) << 32n) | (minor & 0xffn) | ((minor & 0xffffff00n) << 12n);
}
