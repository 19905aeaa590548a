/** The measures: what each is, in which unit, and how a figure is written. One table for the text, the plots, the report and the documentation. */
import type { MetricName, Unit } from '../model.js';

export interface Metric {
  readonly name: MetricName;
  readonly title: string;
  readonly unit: Unit;
  readonly better: 'less' | 'more';
  readonly meaning: string;
}

export const METRICS: readonly Metric[] = [
  {
    name: 'downtime',
    title: 'downtime',
    unit: 'us',
    better: 'less',
    meaning:
      'the longest time for which a thread of the tree that looks at the clock 5000 times a second did not run, from before the migration until after it, as it says itself',
  },
  {
    name: 'ownDowntime',
    title: 'downtime, own report',
    unit: 'us',
    better: 'less',
    meaning: 'what the peer says that it was',
  },
  {
    name: 'predicted',
    title: 'downtime, predicted',
    unit: 'us',
    better: 'less',
    meaning: 'what the peer said before it froze the tree',
  },
  {
    name: 'predictionError',
    title: 'prediction off by',
    unit: 'share',
    better: 'less',
    meaning: 'how far the prediction was from the downtime that the tree saw, as a share of the latter',
  },
  {
    name: 'wireBytes',
    title: 'bytes on the link',
    unit: 'bytes',
    better: 'less',
    meaning: 'both ways, by the counters of the device: headers, control and encryption included',
  },
  {
    name: 'iterations',
    title: 'levels',
    unit: 'count',
    better: 'less',
    meaning: 'iterations and the final dump, as the peer says',
  },
  {
    name: 'sourceCpu',
    title: 'CPU at the source',
    unit: 'us',
    better: 'less',
    meaning: 'user and system time of all commands at the source, CRIU included',
  },
  {
    name: 'destinationCpu',
    title: 'CPU at the destination',
    unit: 'us',
    better: 'less',
    meaning: 'the same at the destination; of a receiver that waited for it with its start',
  },
  {
    name: 'first',
    title: 'first instruction',
    unit: 'us',
    better: 'less',
    meaning:
      'until a thread of the restored tree ran, as it says itself: from the fork of the command, or from the call in a process that ran already',
  },
  {
    name: 'firstPerGib',
    title: 'first instruction, per GiB',
    unit: 'us',
    better: 'less',
    meaning: 'by how much it comes later for each gibibyte of memory: the slope of a line through all sizes of the run',
  },
  {
    name: 'answer',
    title: 'first answer',
    unit: 'us',
    better: 'less',
    meaning:
      'from the same moment until a client that had asked again and again had the whole answer of the restored server',
  },
  {
    name: 'filled',
    title: 'all memory there',
    unit: 'us',
    better: 'less',
    meaning: 'from the same moment until the last page was there; where the restore is not lazy, until it had ended',
  },
  {
    name: 'frozen',
    title: 'frozen time',
    unit: 'us',
    better: 'less',
    meaning:
      "how long the tasks stood still: CRIU's own frozen_time, from the end of freezing until they run again or are killed",
  },
  {
    name: 'freezing',
    title: 'freezing time',
    unit: 'us',
    better: 'less',
    meaning: "from the request to freeze until all tasks are stopped: CRIU's own freezing_time",
  },
  {
    name: 'wall',
    title: 'wall',
    unit: 'us',
    better: 'less',
    meaning: 'from the fork of the command to its exit, start of Node and of CRIU included',
  },
  {
    name: 'call',
    title: 'call',
    unit: 'us',
    better: 'less',
    meaning:
      'from the request to the finished images: of the library inside its process, or the whole of a command that has no library',
  },
  {
    name: 'durable',
    title: 'wall until on disk',
    unit: 'us',
    better: 'less',
    meaning: 'wall, and then syncfs of the destination: nobody is faster by leaving bytes in the page cache',
  },
  { name: 'throughput', title: 'throughput', unit: 'bytes/s', better: 'more', meaning: 'memory of the tree over wall' },
  {
    name: 'cpu',
    title: 'CPU',
    unit: 'us',
    better: 'less',
    meaning: 'user and system time of the command and of all its descendants, CRIU included',
  },
  {
    name: 'cpuPerGib',
    title: 'CPU per GiB',
    unit: 'us',
    better: 'less',
    meaning:
      "CPU over the memory of the tree: what a size costs once it is large against the start of the peer's programs",
  },
  {
    name: 'targetCpu',
    title: 'CPU in the tree',
    unit: 'us',
    better: 'less',
    meaning: "CPU time of the dumped tasks' main threads during the run: CRIU's parasite works there, on nobody's bill",
  },
  {
    name: 'peakMemory',
    title: 'peak memory',
    unit: 'bytes',
    better: 'less',
    meaning: 'VmHWM of the command itself: memory of its own that was resident, mapped shared memory included',
  },
  {
    name: 'memoryGrowth',
    title: 'memory above start',
    unit: 'bytes',
    better: 'less',
    meaning: 'VmHWM during the call minus VmRSS before it, library only',
  },
  {
    name: 'criuMemory',
    title: "descendants' memory",
    unit: 'bytes',
    better: 'less',
    meaning: 'VmHWM of the largest descendant: CRIU under Frazil',
  },
  {
    name: 'hostMemory',
    title: 'memory of the host',
    unit: 'bytes',
    better: 'less',
    meaning:
      "how far MemAvailable fell during the run: everything, with images on tmpfs, absorbed pages, and other programs' doings",
  },
  {
    name: 'userBytes',
    title: 'bytes through user space',
    unit: 'bytes',
    better: 'less',
    meaning: 'page bytes that entered user space of the peer, as Frazil says: what was not spliced',
  },
  {
    name: 'bytesWritten',
    title: 'bytes of images',
    unit: 'bytes',
    better: 'less',
    meaning: 'sum of the sizes of the image files',
  },
  {
    name: 'bytesAllocated',
    title: 'bytes allocated',
    unit: 'bytes',
    better: 'less',
    meaning: 'blocks that the image files occupy: less than their sizes where zero pages are holes',
  },
  {
    name: 'faults',
    title: 'faults answered',
    unit: 'count',
    better: 'less',
    meaning: 'pages that the server brought because a task waited for them, as Frazil says',
  },
  {
    name: 'waits',
    title: 'waits for a page',
    unit: 'count',
    better: 'less',
    meaning:
      'of the looks at random pages, five thousand a second from the first instruction on, those that took 4 us or more',
  },
  {
    name: 'waitP50',
    title: 'wait, median',
    unit: 'us',
    better: 'less',
    meaning: 'how long those took in the task itself: fault, service, copy, and being run again',
  },
  { name: 'waitP99', title: 'wait, p99', unit: 'us', better: 'less', meaning: 'the same: 99 of 100 took less' },
  { name: 'waitMax', title: 'wait, longest', unit: 'us', better: 'less', meaning: 'the same: the longest of the run' },
  {
    name: 'session',
    title: 'session',
    unit: 'us',
    better: 'less',
    meaning: 'fork of criu swrk, VERSION, its answer, close, exit; median of the repetitions in the run',
  },
  {
    name: 'exchange',
    title: 'round trip',
    unit: 'us',
    better: 'less',
    meaning: 'VERSION and its answer in an open session; median of the repetitions in the run',
  },
];

/** Three significant digits and the unit that fits: `551 ms`, `1.07 GB/s`, `64 MiB`. */
export function formatFigure(value: number, unit: Unit): string {
  switch (unit) {
    case 'us':
      return scaled(value, 1000, ['us', 'ms', 's']);
    case 'bytes':
      return scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
    case 'bytes/s':
      return scaled(value, 1000, ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s']);
    case 'count':
      return String(Math.round(value));
    case 'share':
      return `${(value * 100).toFixed(1)} %`;
  }
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let scale = value;
  let at = 0;
  while (Math.abs(scale) >= step && at < units.length - 1) {
    scale /= step;
    at++;
  }
  const digits = Math.abs(scale) >= 100 || Number.isInteger(scale) ? 0 : Math.abs(scale) >= 10 ? 1 : 2;
  return `${scale.toFixed(digits)} ${units[at]}`;
}
