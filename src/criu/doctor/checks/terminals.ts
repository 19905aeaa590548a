import { HINTS } from '../../../errors/rules/hints.js';
import { type Finding, unless } from '../finding.js';
import type { Check } from '../scene.js';
import type { OpenFile } from '../tree.js';

// major(5) is /dev/tty, /dev/console and ptmx; 4 the virtual and serial consoles; 136 to 143 the slaves below /dev/pts.
const UNIX98_SLAVES = { first: 136, last: 143 };
const CONSOLES = 4;

/** Terminals whose other end is outside the tree. One finding per terminal: stdio has three fds on it. */
export const checkTerminals: Check = ({ tree, options }) => {
  const files = tree.tasks.flatMap((task) => task.files);
  const masters = new Set(files.flatMap(masterIndex));
  const found = new Map<string, Finding>();
  for (const file of files) {
    if (file.facts?.kind !== 'character' || found.has(file.link)) continue;
    const { major } = file.facts;
    const slave = /^\/dev\/pts\/(\d+)/.exec(file.link)?.[1];
    const inside = major >= UNIX98_SLAVES.first && major <= UNIX98_SLAVES.last;
    if (inside && slave !== undefined && masters.has(Number(slave))) continue;
    if (inside || major === CONSOLES) found.set(file.link, unless(options.shellJob, outside(file, inside)));
  }
  return [...found.values()];
};

function masterIndex({ info, link }: OpenFile): number[] {
  if (!link.endsWith('ptmx')) return [];
  const index = /^tty-index:\s*(\d+)$/m.exec(info)?.[1];
  return index === undefined ? [] : [Number(index)];
}

function outside({ pid, fd, link }: OpenFile, slave: boolean): Finding {
  return {
    id: slave ? 'tty-master-outside' : 'tty-dangling',
    severity: 'blocks',
    title: slave
      ? `Process ${pid} holds on fd ${fd} the terminal ${link}, whose master is outside the tree`
      : `Process ${pid} holds on fd ${fd} the console ${link}`,
    neededFor: 'dump',
    remedy:
      'Pass shellJob: true (--shell-job) on dump and restore, or redirect the stdio of the process before the dump',
    option: HINTS.shellJob,
    pid,
    fd,
    path: link,
  };
}
