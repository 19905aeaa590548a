// What Frazil reads of a runtime's command line: which command it is, and which CRIU its old option --criu names. Everything else,
// mistakes included, is the runtime's to read.

/** Global options of runc and crun whose value is a word of its own. */
const WITH_VALUE: ReadonlySet<string> = new Set(['log', 'log-format', 'root', 'criu', 'rootless', 'cgroup-manager']);

export interface RuncLine {
  /** The first word that is neither an option nor the value of one. */
  readonly command: string | undefined;
  /** As it was given. runc 1.1 still has the option. */
  readonly criu?: string;
  /** The same line, with the CRIU that stands first in PATH. */
  readonly seated: readonly string[];
}

export function readRuncLine(args: readonly string[]): RuncLine {
  const seated = [...args];
  let criu: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const option = /^(--?([^-=][^=]*))(?:=(.*))?$/s.exec(args[at] ?? '');
    if (option === null) return lineOf(args[at], criu, seated);
    const [, flag, name = '', inline] = option;
    if (name === 'criu') {
      criu = inline ?? args[at + 1];
      if (inline !== undefined) seated[at] = `${flag}=criu`;
      else if (at + 1 < args.length) seated[at + 1] = 'criu';
    }
    if (inline === undefined && WITH_VALUE.has(name)) at++;
  }
  return lineOf(undefined, criu, seated);
}

function lineOf(command: string | undefined, criu: string | undefined, seated: readonly string[]): RuncLine {
  return { command, ...(criu !== undefined && { criu }), seated };
}
