// Where CRIU was when it printed a line. CRIU's refusals rarely name the task or the fd; the info lines before them do. This
// walks along the log once and remembers the task, the fd, its path or socket, as CRIU announces them.

import type { LogLine } from './log-line.js';

export interface Place {
  readonly pid?: number;
  readonly fd?: number;
  readonly path?: string;
  readonly inode?: number;
  readonly port?: number;
  readonly address?: string;
}

type Step = (place: Place, groups: Readonly<Record<string, string>>) => Place;

// In dump order. A row without a step for the old place starts afresh: what was announced before no longer applies.
const STEPS: readonly (readonly [RegExp, Step])[] = [
  [/^(?<pid>\d+) fdinfo (?<fd>-?\d+): pos:/, (_, g) => ({ pid: Number(g['pid']), fd: Number(g['fd']) })],
  [/^Dumping path for -?\d+ fd via self \d+ \[(?<path>.*)\]$/, (at, g) => ({ ...at, path: g['path'] ?? '' })],
  // The first search after an fd is for the socket itself, the next one for its peer.
  [
    /^sockets: Searching for socket (?<inode>0x[0-9a-f]+) family/,
    (at, g) => ({ ...at, inode: at.inode ?? Number(g['inode']) }),
  ],
  [/^lockinfo: \d+:\d+ \d+ (?<pid>-?\d+) /, (_, g) => ({ pid: Number(g['pid']) })],
  [
    /^inet: \s*Restore: .* port +(?<port>\d+) state \S+ +src_addr (?<address>\S+)/,
    (at, g) => ({ ...at, port: Number(g['port']), address: g['address'] ?? '' }),
  ],
  [/^\s*Create fd for (?<fd>\d+)$/, (at, g) => ({ ...at, fd: Number(g['fd']) })],
  [
    /^(?:Dumping task|Dumping core|Dumping opened files|Collecting mappings|Obtaining task stat|Dumping pages|Dump(?:ing)? mm|Parasite) \(?(?:pid: )?(?<pid>\d+)/,
    (_, g) => ({ pid: Number(g['pid']) }),
  ],
  [/^(?:Dumping pstree|Dumping file-locks|unix: Dumping external sockets|cg: )/, () => ({})],
];

/** First characters of lines that a step can match, so that most of a debug log is passed over without a regular expression. */
const STARTS = /^(?:\d|\s*Create|Dump|sockets: S|unix: |lockinfo|inet: |Collecting|Obtaining|Parasite|cg: )/;

// The socket outside ("ino") and the one inside the tree that leads to it ("peer_ino", 0 for a mere addressee).
const RUNAWAY = /^unix: \s*(?:Runaway socket|Ext stream not supported): ino (\d+) peer_ino (\d+)/;
const SEARCHED = /^sockets: Searching for socket (0x[0-9a-f]+)/;

export class PlaceTracker {
  #at: Place = {};
  readonly #byInode = new Map<number, Place>();
  readonly #byPath = new Map<string, Place>();
  #lock: Place | undefined;
  #lockPending = false;

  /** Takes the next line into account. */
  advance(line: LogLine): void {
    if (line.level !== 'info' || !STARTS.test(line.text)) return;
    const runaway = RUNAWAY.exec(line.text);
    if (runaway !== null) {
      this.#at = this.#byInode.get(Number(runaway[2])) ?? this.#byInode.get(Number(runaway[1])) ?? {};
      return;
    }
    for (const [pattern, step] of STEPS) {
      const match = pattern.exec(line.text);
      if (match === null) continue;
      this.#at = step(this.#at, match.groups ?? {});
      this.#remember(line.text);
      return;
    }
  }

  /** The place that belongs to a line, as far as the log has told it. */
  at(line: LogLine): Place {
    return line.pid === undefined ? this.#at : { ...this.#at, pid: line.pid };
  }

  /** Who holds the file with this path. */
  holderOf(path: string): Place | undefined {
    return this.#byPath.get(path);
  }

  /** Who holds the first file lock that was seen. */
  lockHolder(): Place | undefined {
    return this.#lock;
  }

  #remember(text: string): void {
    const { path, fd } = this.#at;
    if (text.startsWith('lockinfo')) this.#lockPending = true;
    if (fd === undefined) return;
    const searched = SEARCHED.exec(text);
    if (searched !== null) this.#byInode.set(Number(searched[1]), this.#at);
    if (path !== undefined) this.#byPath.set(path, this.#at);
    // CRIU reads the lock from fdinfo just before it announces the fd, and the path just after.
    if (this.#lockPending) {
      this.#lock ??= this.#at;
      this.#lockPending = false;
    } else if (this.#lock?.fd === fd && this.#lock.pid === this.#at.pid) this.#lock = this.#at;
  }
}
