// What --display-stats prints, line by line as CRIU does.

import type { DumpStats, RestoreStats } from '../../images/stats.js';

export function dumpStatistics(stats: DumpStats): readonly string[] {
  return [
    'Displaying dump stats:',
    `Freezing time: ${stats.freezing_time} us`,
    `Frozen time: ${stats.frozen_time} us`,
    `Memory dump time: ${stats.memdump_time} us`,
    `Memory write time: ${stats.memwrite_time} us`,
    ...(stats.irmap_resolve === undefined ? [] : [`IRMAP resolve time: ${stats.irmap_resolve} us`]),
    pages('Memory pages scanned', stats.pages_scanned),
    pages('Memory pages skipped from parent', stats.pages_skipped_parent),
    pages('Memory pages written', stats.pages_written),
    pages('Lazy memory pages', stats.pages_lazy),
  ];
}

export function restoreStatistics(stats: RestoreStats): readonly string[] {
  return [
    'Displaying restore stats:',
    pages('Pages compared', stats.pages_compared),
    pages('Pages skipped COW', stats.pages_skipped_cow),
    ...(stats.pages_restored === undefined ? [] : [pages('Pages restored', stats.pages_restored)]),
    `Restore time: ${stats.restore_time} us`,
    `Forking time: ${stats.forking_time} us`,
  ];
}

function pages(name: string, count: bigint | number): string {
  return `${name}: ${count} (0x${count.toString(16)})`;
}
