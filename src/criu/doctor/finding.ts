// What the doctor says. A finding about a tree has the id of the rule by which explain() would name the same cause after a
// refused dump, wherever there is one.

import type { OptionHint } from '../../errors/diagnosis.js';

export type Severity =
  /** The dump or the named use will fail. */
  | 'blocks'
  /** Something is lost, slower, or may fail. */
  | 'limits'
  | 'note'
  /** Would block, but an option already chosen answers it; or a check that passed. */
  | 'ok';

export interface Finding {
  readonly id: string;
  readonly severity: Severity;
  /** A sentence without final full stop. */
  readonly title: string;
  /** What it is needed for, or what fails. */
  readonly neededFor: string;
  readonly remedy?: string;
  readonly option?: OptionHint;
  readonly pid?: number;
  readonly fd?: number;
  readonly path?: string;
}

/** Options of a dump that the doctor takes into account, as the verbs name them. */
export interface ChosenOptions {
  readonly shellJob?: boolean;
  readonly tcpEstablished?: boolean;
  readonly tcpClose?: boolean;
  readonly skipInFlight?: boolean;
  readonly extUnixSk?: boolean;
  readonly fileLocks?: boolean;
  readonly linkRemap?: boolean;
  readonly ghostLimit?: number;
  readonly networkLock?: 'iptables' | 'nftables' | 'skip';
  readonly external?: readonly string[];
  readonly enableExternalMasters?: boolean;
  readonly allowUprobes?: boolean;
  readonly trackMem?: boolean;
  readonly root?: string;
}

/** The finding, or 'ok' in its place when an option answers it. */
export function unless(answered: boolean | undefined, finding: Finding): Finding {
  return answered === true ? { ...finding, severity: 'ok' } : finding;
}

const ORDER: readonly Severity[] = ['blocks', 'limits', 'note', 'ok'];

/** Worst first; otherwise in the order in which they were found. */
export function worstFirst(findings: readonly Finding[]): Finding[] {
  return ORDER.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
}
