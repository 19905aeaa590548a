// Where the command line writes. stdout carries results (CRIU's own answers, or with --json one object), stderr what is for people.
// A status line is redrawn in place and never mixed with other lines.

/** The process's own streams fit. */
export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
}
interface Sink {
  /** False asks to wait for `drain`, as Node's streams do. */
  write(text: string | Uint8Array): unknown;
  once?(event: 'drain', listener: () => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly fd?: number | undefined;
  readonly columns?: number | undefined;
}

const DEFAULT_COLUMNS = 80;
const ERASE_LINE = '\r\x1b[2K';

export class Terminal {
  readonly #streams: Streams;
  #drawn = false;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** True when a person watches stderr. */
  get isInteractive(): boolean {
    return this.#streams.stderr.isTTY === true;
  }

  /** Standard output itself, for bytes that need not pass JavaScript. Nothing that was printed before is still on its way. */
  get stdoutFd(): number | undefined {
    return this.#streams.stdout.fd;
  }

  get columns(): number {
    const { columns = 0 } = this.#streams.stderr;
    // A terminal that nobody has told its size says 0.
    return columns > 0 ? columns : DEFAULT_COLUMNS;
  }

  /** A line of the result. */
  print(text: string): void {
    this.clear();
    this.#streams.stdout.write(`${text}\n`);
  }

  /** A part of the result, as it is. Resolves when there is room for the next: a pipe with a slow reader would pile up here. */
  async write(piece: string | Uint8Array): Promise<void> {
    this.clear();
    const { stdout } = this.#streams;
    if (stdout.write(piece) !== false) return;
    await new Promise<void>((resolve) => {
      if (stdout.once === undefined) resolve();
      else stdout.once('drain', resolve);
    });
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value));
  }

  /** A line for people. */
  say(text: string): void {
    this.clear();
    this.#streams.stderr.write(`${text}\n`);
  }

  /** Draws the status line over the one before. Without a terminal it is a line of its own. */
  status(text: string): void {
    if (!this.isInteractive) {
      this.say(text);
      return;
    }
    this.#streams.stderr.write(`${ERASE_LINE}${text.slice(0, this.columns - 1)}`);
    this.#drawn = true;
  }

  /** Takes the status line away. */
  clear(): void {
    if (!this.#drawn) return;
    this.#streams.stderr.write(ERASE_LINE);
    this.#drawn = false;
  }
}
