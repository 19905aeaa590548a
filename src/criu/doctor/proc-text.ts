// Parsers of /proc text (proc(5)). Pure, total: text that is cut off or not what it should be gives fewer entries, never an
// exception, because a process may vanish while its file is read.

export interface Mount {
  readonly id: number;
  readonly parent: number;
  /** Path of the root of the mount inside its file system. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly source: string;
  readonly shared?: number;
  readonly master?: number;
}

/** /proc/PID/mountinfo. */
export function parseMountinfo(text: string): Mount[] {
  return lines(text).flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [id, parent, , root, point, , ...optional] = before.split(' ');
    const [type, source] = after.split(' ');
    if (root === undefined || point === undefined || type === undefined) return [];
    const tag = (name: string): number | undefined => {
      const found = optional.find((field) => field.startsWith(`${name}:`));
      return found === undefined ? undefined : Number(found.slice(name.length + 1));
    };
    const shared = tag('shared');
    const master = tag('master');
    return [
      {
        id: Number(id),
        parent: Number(parent),
        root: unescapeOctal(root),
        point: unescapeOctal(point),
        type,
        source: unescapeOctal(source ?? ''),
        ...(shared === undefined ? {} : { shared }),
        ...(master === undefined ? {} : { master }),
      },
    ];
  });
}

/** Space, tab, newline and backslash come as \040, \011, \012, \134. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** "Key:   value" files: status, fdinfo, smaps_rollup. A repeated key keeps its first value. */
export function parseFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines(text)) {
    const colon = line.indexOf(':');
    const key = line.slice(0, colon);
    if (colon > 0 && !fields.has(key)) fields.set(key, line.slice(colon + 1).trim());
  }
  return fields;
}

/** All values of a key, as the locks in fdinfo. */
export function valuesOf(text: string, key: string): string[] {
  return lines(text).flatMap((line) => (line.startsWith(`${key}:`) ? [line.slice(key.length + 1).trim()] : []));
}

export interface InetSocket {
  readonly inode: number;
  /** As in include/net/tcp_states.h: 1 established, 10 listening. */
  readonly state: number;
  readonly localPort: number;
  /** For a listening socket: connections not accepted yet. */
  readonly receiveQueue: number;
  readonly uid: number;
}

/** /proc/PID/net/{tcp,tcp6,udp,udp6,raw,icmp}. */
export function parseInet(text: string): InetSocket[] {
  return lines(text).flatMap((line) => {
    const [, local, , state, queues, , , uid, , inode] = line.trim().split(/\s+/);
    if (local === undefined || inode === undefined || !/^\d+$/.test(inode)) return [];
    return [
      {
        inode: Number(inode),
        state: Number.parseInt(state ?? '', 16),
        localPort: Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16),
        receiveQueue: Number.parseInt(queues?.split(':')[1] ?? '0', 16),
        uid: Number(uid),
      },
    ];
  });
}

export interface UnixSocket {
  readonly inode: number;
  /** 1 stream, 2 datagram, 5 seqpacket. */
  readonly type: number;
  /** 1 unconnected, 3 connected. */
  readonly state: number;
  readonly listening: boolean;
  readonly path?: string;
}

/** __SO_ACCEPTCON, the only flag that the file shows. */
const ACCEPTS = 0x10000;

/** /proc/PID/net/unix. It does not tell who is connected to whom. */
export function parseUnix(text: string): UnixSocket[] {
  return lines(text).flatMap((line) => {
    const match = /^\w+: \w+ \w+ (\w+) (\w+) (\w+) +(\d+)(?: (.*))?$/.exec(line);
    if (match === null) return [];
    const [, flags = '', type = '', state = '', inode = '', path] = match;
    const listening = (Number.parseInt(flags, 16) & ACCEPTS) !== 0;
    return [
      {
        inode: Number(inode),
        type: Number.parseInt(type, 16),
        state: Number.parseInt(state, 16),
        listening,
        ...(path === undefined || path === '' ? {} : { path }),
      },
    ];
  });
}

export interface Mapping {
  readonly range: string;
  readonly shared: boolean;
  readonly device: string;
  readonly inode: number;
  /** Empty for anonymous memory. */
  readonly path: string;
}

/** /proc/PID/maps. */
export function parseMaps(text: string): Mapping[] {
  return lines(text).flatMap((line) => {
    const match = /^([0-9a-f]+-[0-9a-f]+) (\S{4}) [0-9a-f]+ (\S+) (\d+) *(.*)$/.exec(line);
    if (match === null) return [];
    const [, range = '', permissions = '', device = '', inode = '', path = ''] = match;
    return [{ range, shared: permissions[3] === 's', device, inode: Number(inode), path }];
  });
}

export interface Stat {
  readonly name: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Device number of the controlling terminal, 0 for none. */
  readonly terminal: number;
}

/** /proc/PID/stat. The name may hold anything, so it ends at the last parenthesis. */
export function parseStat(text: string): Stat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const [state, parent, group, session, terminal] = text.slice(close + 2).split(' ');
  if (open < 0 || close < open || state === undefined || terminal === undefined) return undefined;
  return {
    name: text.slice(open + 1, close),
    state,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    terminal: Number(terminal),
  };
}

/** Inode numbers in the first column after a header: /proc/PID/net/{netlink,packet} have theirs in the last. */
export function parseLastColumnInodes(text: string): number[] {
  return lines(text)
    .slice(1)
    .flatMap((line) => {
      const last = Number(line.trim().split(/\s+/).at(-1));
      return Number.isInteger(last) ? [last] : [];
    });
}

/** Numbers of the capability bits in a mask of /proc/PID/status. */
export function parseCapabilities(hex: string): ReadonlySet<number> {
  const set = new Set<number>();
  if (!/^[0-9a-f]+$/i.test(hex)) return set;
  const mask = BigInt(`0x${hex}`);
  for (let bit = 0; bit < 64; bit++) if ((mask >> BigInt(bit)) & 1n) set.add(bit);
  return set;
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
