// docs/options.md, made from the tables. test/unit/options/document.test.ts fails when the page is not current; it is written by
// `FRAZIL_WRITE_DOCS=1 npx vitest run --project unit test/unit/options/document.test.ts`.

import type { Row } from './row.js';
import { MEMORY } from './rows/memory.js';
import { OUTSIDE } from './rows/outside.js';
import { OWN_FIELDS } from './rows/own.js';
import { RUNNING } from './rows/running.js';
import { TREE } from './rows/tree.js';

const SECTIONS: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ['The tree', TREE],
  ['What lies outside the tree', OUTSIDE],
  ['Memory', MEMORY],
  ['Running CRIU', RUNNING],
];

const OPENING = `# Options

Every option of every verb, made from the tables in \`src/options/rows\`. Names are those of CRIU's long flags in camelCase, the
command line takes CRIU's own flags, and the defaults are CRIU's. \`undefined\` means "not given".

"Reaches CRIU as" says how: a field of the RPC's \`criu_opts\`; *config file*, a line in a private config file that Frazil writes and
the request names, for what CRIU knows only on its command line; *Frazil*, when Frazil acts on it itself.`;

/** The whole page, ending with a line break. */
export function optionsPage(): string {
  const sections = SECTIONS.map(([title, rows]) => `## ${title}\n\n${tableOf(rows)}`);
  return `${[OPENING, ...sections, ownFields()].join('\n\n')}\n`;
}

function tableOf(rows: Readonly<Record<string, unknown>>): string {
  const head = '| option | flag | type | default | verbs | reaches CRIU as | meaning |\n|---|---|---|---|---|---|---|';
  return [head, ...Object.entries(rows as Readonly<Record<string, Row>>).map(([name, row]) => lineOf(name, row))].join(
    '\n',
  );
}

function lineOf(name: string, row: Row): string {
  const since = row.since === undefined ? '' : ` From CRIU ${row.since.major}.${row.since.minor} on.`;
  const quirk = row.quirk === undefined ? '' : ` Note: ${row.quirk}.`;
  const cells = [
    code(name),
    row.flags.map(code).join(' '),
    row.type.name,
    row.default,
    row.operations.join(', '),
    carrierOf(row),
    `${row.text}.${since}${quirk}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function carrierOf({ via, field }: Row): string {
  if (via === 'config_file') return 'config file';
  if (via === 'frazil') return field === undefined ? 'Frazil' : `Frazil, ${code(field)}`;
  return field === undefined ? '' : code(field);
}

function ownFields(): string {
  const lines = Object.entries(OWN_FIELDS).map(
    ([field, { setBy, reason }]) =>
      `| ${code(field)} | ${setBy === 'never' ? 'never sent' : 'set by Frazil'} | ${reason} |`,
  );
  return ['## Fields of the RPC that are not options', '', '| field | | why |', '|---|---|---|', ...lines].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
