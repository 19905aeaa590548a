// The doctor's report for a terminal: what was found, what is not right and what to do, and how much is right.

import type { DoctorReport } from '../../criu/doctor/doctor.js';
import type { Finding, Severity } from '../../criu/doctor/finding.js';
import { table } from './table.js';
import { bytes, millis } from './units.js';

const WORDS: Readonly<Record<Severity, string>> = { blocks: 'BLOCKS', limits: 'limits', note: 'note', ok: 'ok' };

export function doctorLines(report: DoctorReport, columns: number): readonly string[] {
  const wrong = report.findings.filter(({ severity }) => severity !== 'ok');
  const right = report.findings.length - wrong.length;
  return [
    ...table(headRows(report), columns),
    '',
    ...table(wrong.flatMap(findingRows), columns),
    ...(wrong.length === 0 ? [] : ['']),
    `${right} ${right === 1 ? 'check' : 'checks'} passed; ${verdict(wrong)}.`,
  ];
}

function headRows({ criu, kernel, tree }: DoctorReport): readonly (readonly string[])[] {
  const rows = [
    ['CRIU', criu === undefined ? 'not found' : `${criu.version} (${criu.path})`],
    ['kernel', `${kernel.release}, soft-dirty ${yes(kernel.softDirty)}, userfaultfd ${yes(kernel.userfaultfd)}`],
  ];
  if (tree === undefined) return rows;
  const { pid, estimate } = tree;
  const size = `${estimate.tasks} ${estimate.tasks === 1 ? 'task' : 'tasks'}, ${bytes(estimate.bytes)}`;
  return [...rows, ['tree', `${pid}: ${size}, about ${millis(estimate.frozenMs)} frozen`]];
}

function findingRows({
  severity,
  title,
  neededFor,
  remedy,
  option,
  pid,
  fd,
  path,
}: Finding): readonly (readonly string[])[] {
  const place = [
    ...(pid === undefined ? [] : [{ known: String(pid), text: `pid ${pid}` }]),
    ...(fd === undefined ? [] : [{ known: `fd ${fd}`, text: `fd ${fd}` }]),
    ...(path === undefined ? [] : [{ known: path, text: path }]),
  ];
  // Most titles say it already.
  const where = place
    .filter(({ known }) => !title.includes(known))
    .map(({ text }) => text)
    .join(', ');
  const remedies = remedy ?? (option === undefined ? undefined : `Pass ${option.flag}`);
  return [
    [WORDS[severity], where === '' ? title : `${title} (${where})`],
    ['', `for: ${neededFor}`],
    ...(remedies === undefined ? [] : [['', `do:  ${remedies}`]]),
  ];
}

function verdict(wrong: readonly Finding[]): string {
  const blocking = wrong.filter(({ severity }) => severity === 'blocks').length;
  if (blocking > 0) return `${blocking} ${blocking === 1 ? 'finding blocks' : 'findings block'}`;
  return wrong.length === 0 ? 'nothing stands in the way' : 'nothing blocks';
}

function yes(on: boolean): string {
  return on ? 'yes' : 'no';
}
