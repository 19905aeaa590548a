// How much memory a dump will carry and how long the tree will stand still. An order of magnitude: it tells 50 ms from 5 s.

import { DUMPED } from '../../pages/estimate.js';
import type { Tree } from './tree.js';

export interface TreeEstimate {
  readonly tasks: number;
  readonly threads: number;
  /** Anonymous and shared memory in RAM; pages that are zero or shared between tasks may be counted more than once. */
  readonly bytes: number;
  readonly frozenMs: number;
  /** What `frozenMs` rests on. */
  readonly basis: string;
}

/** Measured on two virtual cores: 1 GiB received from the page socket in 0.26 s, of which 20 ms CRIU's own work. */
const BYTES_PER_MS = 1024 ** 3 / 240;
const FIXED_MS = 20;
/** Seizing, parasite and images of one more task: 3 processes took 64 ms where one took 44 (facts of the development machine). */
const TASK_MS = 10;
const KIBIBYTE = 1024;

export function estimateTree({ tasks }: Tree): TreeEstimate {
  const kib = (task: Tree['root'], key: string): number => Number.parseInt(task.memory.get(key) ?? '0', 10);
  const bytes = tasks.reduce((sum, task) => DUMPED.reduce((of, key) => of + kib(task, key), sum), 0) * KIBIBYTE;
  const threads = tasks.reduce((sum, task) => sum + Number(task.status.get('Threads') ?? '1'), 0);
  return {
    tasks: tasks.length,
    threads,
    bytes,
    frozenMs: Math.round(FIXED_MS + (tasks.length - 1) * TASK_MS + bytes / BYTES_PER_MS),
    basis: '4.5 GB/s from the page socket into prepared memory, 20 ms for the first task, 10 ms for each further one',
  };
}
