import type { Destination, Group, LinkShape, Scenario } from './model.js';
import { PEERS } from './peers/choose.js';
import { formatFigure } from './report/metrics.js';
import { SCENARIOS } from './scenarios.js';

export interface Catalog {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly { readonly name: string; readonly group: Group; readonly title: string }[];
}

/** What `frazil bench --list` shows. Looks at nothing on the host. */
export function listBench(): Catalog {
  return { scenarios: SCENARIOS, peers: PEERS.map(({ name, group, title }) => ({ name, group, title })) };
}

/** The text of `--list`: scenarios with their parameters, then peers. Ends with a newline. */
export function renderCatalog({ scenarios, peers }: Catalog): string {
  const width = Math.max(...scenarios.map(({ name }) => name.length), ...peers.map(({ name }) => name.length));
  const line = (name: string, text: string): string => `  ${name.padEnd(width)}  ${text}`;
  return [
    'Scenarios (a group alone means its first):',
    ...scenarios.map((scenario) => line(scenario.name, `${scenario.title} (${describeScenario(scenario)})`)),
    'Peers (the first of a group is the baseline; frazil@DIR is another checkout):',
    ...peers.map(({ name, group, title }) => line(name, `${group}: ${title}`)),
    '',
  ].join('\n');
}

/** The parameters in one phrase, as tables and reports show them. */
export function describeScenario(scenario: Scenario): string {
  if (scenario.group === 'container' && scenario.repeats > 1) return `${scenario.repeats} calls per run`;
  if (scenario.group === 'decode') return `${scenario.sizeBytes / 4096} entries`;
  if (scenario.group === 'search') return `${formatFigure(scenario.sizeBytes, 'bytes')} of random pages`;
  if (scenario.group === 'version') return `${scenario.repeats} repetitions per run`;
  const {
    sizeBytes,
    processes,
    threads,
    dirtyBytesPerSecond,
    entropy,
    zeroShare,
    leaveRunning,
    destination,
    stages,
    link,
  } = scenario;
  return [
    formatFigure(sizeBytes, 'bytes'),
    `${processes} ${processes === 1 ? 'process' : 'processes'} of ${threads} threads`,
    `${percent(entropy)} incompressible`,
    ...(zeroShare > 0 ? [`${percent(zeroShare)} zero pages`] : []),
    ...(dirtyBytesPerSecond > 0 ? [`dirties ${formatFigure(dirtyBytesPerSecond, 'bytes/s')}`] : []),
    ...(link === undefined ? [leaveRunning ? 'left running' : 'killed'] : []),
    ...stages,
    link === undefined ? `to ${describeDestination(destination)}` : describeLink(link),
  ].join(', ');
}

function describeLink({ bitsPerSecond, roundTripUs }: LinkShape): string {
  const shape = roundTripUs === 0 ? 'veth and tbf' : `${formatFigure(roundTripUs, 'us')} round trip, by a relay`;
  return `over ${bitsPerSecond / 1e9} Gbit/s (${shape})`;
}

function describeDestination(destination: Destination): string {
  return destination.kind === 'path' ? destination.path : destination.kind;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
