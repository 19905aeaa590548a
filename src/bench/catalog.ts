import type { Scenario } from './model.js';

export interface Catalog {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly { readonly name: string; readonly group: Scenario['group']; readonly title: string }[];
}

/** What `frazil bench --list` shows. Looks at nothing on the host. */
export function listBench(): Catalog {
  return { scenarios: [], peers: [] };
}

/** The text of `--list`: scenarios with their parameters, then peers. Ends with a newline. */
export function renderCatalog(_catalog: Catalog): string {
  return '\n';
}
