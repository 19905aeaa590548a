/** One file that says it all: verdicts, figures, plot, machine, and how to read them. No script, nothing loaded from anywhere. */
import { describeScenario } from '../catalog.js';
import type { BenchResult, Cell } from '../model.js';
import { formatFigure } from './metrics.js';
import { escapeText, renderSvg } from './svg.js';
import { describeDifference, type Row, type Section, tabulate } from './tabulate.js';

const STYLE = `:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5em 0 1.5em}th,td{padding:.2em .8em;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child,td:last-child{text-align:left}.wrap{overflow-x:auto}.failed{border-left:4px solid #d55e00;padding-left:1em}pre{overflow-x:auto}`;

export function renderHtml(result: BenchResult): string {
  const [first] = result.cells;
  const title = `frazil bench ${first?.scenario.name ?? ''}`.trim();
  const sections = tabulate(result);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeText(title)}</title><style>${STYLE}</style></head>
<body><h1>${escapeText(title)}</h1>
<p>${first === undefined ? 'No peer of this scenario is here.' : `${escapeText(describeScenario(first.scenario))}. Begun ${escapeText(result.startedAt)}, seed ${result.seed}.`}</p>
${result.cells.map(failureHtml).join('')}${absentHtml(result)}
<h2>Plot</h2><div class="wrap">${renderSvg(result)}</div>
<h2>Figures</h2>${sections.map(sectionHtml).join('\n')}
<h2>Peers</h2>${peersHtml(result.cells)}
<h2>Machine</h2>${environmentHtml(result)}
${howToRead(sections)}
</body></html>
`;
}

function failureHtml({ peer, failure }: Cell): string {
  if (failure === undefined) return '';
  const log = failure.log === undefined ? '' : `<pre>${escapeText(failure.log)}</pre>`;
  return `<div class="failed"><strong>${escapeText(peer)} failed in run ${failure.run + 1}</strong>: ${escapeText(failure.reason)}${log}</div>`;
}

function absentHtml({ absent }: BenchResult): string {
  return absent.map(({ peer, reason }) => `<p>Left out: ${escapeText(peer)}: ${escapeText(reason)}</p>`).join('');
}

function sectionHtml({ metric, rows }: Section): string {
  const head = ['', 'median', 'p95', 'min', 'max', 'IQR', 'MAD', 'runs', `ratio to ${rows[0]?.peer ?? ''}`];
  return `<h3>${escapeText(metric.title)}</h3><div class="wrap"><table><tr>${head.map((text) => `<th>${escapeText(text)}</th>`).join('')}</tr>
${rows.map((row) => rowHtml(row, metric.unit)).join('\n')}</table></div>`;
}

function rowHtml({ peer, summary, difference }: Row, unit: Section['metric']['unit']): string {
  const { median, p95, min, max, iqr, mad, count } = summary;
  const figures = [median, p95, min, max, iqr, mad].map((value) => formatFigure(value, unit));
  const cells = [peer, ...figures, String(count), difference === undefined ? '' : describeDifference(difference)];
  return `<tr>${cells.map((text) => `<td>${escapeText(text)}</td>`).join('')}</tr>`;
}

function peersHtml(cells: readonly Cell[]): string {
  const rows = cells.map(({ peer, peerTitle, peerVersion }) => [peer, peerTitle, peerVersion]);
  return `<table>${rows.map((row) => `<tr>${row.map((text) => `<td>${escapeText(text)}</td>`).join('')}</tr>`).join('')}</table>`;
}

function environmentHtml({ environment }: BenchResult): string {
  const rows = Object.entries(environment).map(
    ([name, value]) => `<tr><td>${escapeText(name)}</td><td>${escapeText(String(value))}</td></tr>`,
  );
  return `<table>${rows.join('')}</table>`;
}

function howToRead(sections: readonly Section[]): string {
  return `<h2>How to read this</h2>
<p>Every run is a fresh process tree and a fresh process of the peer; peers take turns, so that a drift of the machine falls on all alike. Warm-up runs
are not counted. After every dump the image files are compared with what the tree said of its memory; the first run of every peer is restored with
<code>criu restore</code> and the restored tree is asked again. A peer whose bytes are wrong has no figures here.</p>
<p>The ratio is of medians, with a 95 % bootstrap interval; p is of Mann-Whitney's rank test, counted exactly for few runs. "No significant difference" is a
result. Differences within one machine and one report can be compared, absolute figures of two machines cannot.</p>
<dl>${sections.map(({ metric }) => `<dt><strong>${escapeText(metric.title)}</strong></dt><dd>${escapeText(metric.meaning)}</dd>`).join('')}</dl>`;
}
