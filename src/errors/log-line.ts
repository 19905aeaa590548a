// One line of CRIU's log, taken apart. The format is print_on_level() of CRIU's log.c: from level 3 on "(SS.UUUUUU) ", in a
// restored child "%6d: ", in code inside the target "pie: PID: ", then "Error (file:line): " or "Warn  (file:line): ".
// Each part may be absent: timestamps below level 3, everything on stderr of a CRIU that has no log yet.

export type Level = 'error' | 'warning' | 'info';

export interface LogLine {
  /** 1-based. */
  readonly number: number;
  readonly raw: string;
  readonly level: Level;
  /** The task that wrote it, or on whose behalf. */
  readonly pid?: number;
  /** What is left: "inet: Connected TCP socket, ...". */
  readonly text: string;
}

const PREFIX = /^(?:\(\d+\.\d+\)\s?)?(?:pie: )?(?: *(\d+): )?(?:(Error|Warn)(?: {1,2}\([^)]*:\d+\))?: )?/;

export function parseLogLine(raw: string, number: number): LogLine {
  const match = PREFIX.exec(raw);
  if (match === null) return { number, raw, level: 'info', text: raw };
  const level = match[2] === 'Error' ? 'error' : match[2] === 'Warn' ? 'warning' : 'info';
  const pid = match[1] === undefined ? {} : { pid: Number(match[1]) };
  return { number, raw, level, ...pid, text: raw.slice(match[0].length) };
}
