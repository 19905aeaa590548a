/**
 * The first touch of memory that a virtual machine's host has not backed runs at 0.3 GB/s, a tenth of what follows: it would be measured as the first
 * peer's slowness. So as much as a run uses is touched once and given back to the guest before anything is measured.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Scenario } from '../model.js';
import { workingSetBytes } from './workspace.js';

export async function warmMemory(target: string, scenario: Scenario, signal: AbortSignal | undefined): Promise<void> {
  const argv = ['--warm', String(workingSetBytes(scenario))];
  await promisify(execFile)(target, argv, signal === undefined ? {} : { signal });
}
