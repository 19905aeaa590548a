import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Memory pages: tracking, parents, page server, lazy restore. */
export const MEMORY_RULES: readonly Rule[] = [
  {
    id: 'no-soft-dirty',
    match: /Tracking memory is not available/,
    reason: 'This kernel cannot track changed memory (CONFIG_MEM_SOFT_DIRTY is off)',
    remedy: 'Leave out pre-dump and trackMem (--track-mem) on this kernel, or boot one with soft-dirty',
    option: HINTS.trackMem,
  },
  {
    id: 'no-soft-dirty-bug',
    match: /BUG at criu\/mem\.c:4[0-9]\b/,
    reason:
      'CRIU aborted in a pre-dump, because this kernel cannot track changed memory (CONFIG_MEM_SOFT_DIRTY is off)',
    remedy: 'Leave out pre-dump and trackMem (--track-mem) on this kernel, or boot one with soft-dirty',
    option: HINTS.trackMem,
  },
  {
    id: 'parent-inventory',
    match: /Pid-reuse detection failed: no parent inventory/,
    reason: 'The parent images directory has no usable inventory.img',
    remedy: 'Keep every parent (--prev-images-dir) complete, and pass trackMem in every iteration',
    option: HINTS.parent,
  },
  {
    id: 'pidfd-store-empty',
    match: /No pidfds found in pidfd store/,
    reason: 'The socket that keeps pidfds between iterations is not the one of the iteration before',
    remedy: 'Run all iterations in one process, with one pidfd store',
  },
  {
    id: 'parent-invalid',
    match: /Invalid parent image directory provided(?:: (?<why>.+))?/,
    reason: 'The parent images directory cannot be opened<: {why}>',
    remedy: 'Pass parent (--prev-images-dir) as a path relative to the images directory',
    option: HINTS.parent,
  },
  {
    id: 'parent-broken',
    match:
      /(?:Missing (?<address>[0-9a-f]+) in parent pagemap|Hole .+ not found in parent|No parent for snapshot pagemap)/,
    reason: 'The chain of parents is broken: a page that should be in a parent is not there',
    remedy: 'Bring every parent of the chain, with the same relative paths',
    option: HINTS.parent,
  },
  {
    // Logged without "Error".
    id: 'page-server-unreachable',
    match: /Can't connect to server (?<server>\S+)/,
    reason: 'The page server {server} does not accept the connection',
    remedy: 'Start the page server first, and check address and port',
    anyLevel: true,
  },
  {
    id: 'page-server-name',
    match: /Failed to resolve hostname: (?<server>[^:]+)/,
    reason: 'The name "{server}" of the page server does not resolve',
    remedy: 'Pass an address, or correct the name',
  },
  {
    id: 'page-server-lost',
    match:
      /(?:The page server doesn't answer|Can't write pages to socket|Can't write to page server|Error reading data from page server|A socket was closed unexpectedly)(?:: (?<why>.+))?/,
    reason: 'The connection to the page server broke<: {why}>',
    remedy:
      'Read the log of the page server, and use CRIU of one version on both ends (4.1 and 4.2 speak different headers)',
  },
  {
    id: 'page-protocol',
    match: /(?:page-xfer: Unknown command (?<command>\d+)|Unknown pagemap type received)/,
    reason: 'The page server received what it does not know',
    remedy: 'Use CRIU of one version on both ends (4.1 and 4.2 speak different headers)',
  },
  {
    id: 'page-server-unflushed',
    match: /The data were not flushed/,
    reason: 'The dump ended before all of its pages had arrived',
    remedy: 'Read the log of the dump, then repeat it into a fresh images directory',
  },
  {
    id: 'lazy-socket',
    match: /(?:connect to lazy-pages\.socket failed(?:: (?<why>.+))?|No lazy-pages socket)/,
    reason: 'The lazy-pages daemon is not there<: {why}>',
    remedy: 'Start frazil lazy-pages first, in the same work directory, or leave out lazyPages (--lazy-pages)',
    option: HINTS.lazyPages,
  },
  {
    id: 'lazy-unavailable',
    match:
      /(?:Lazy pages are not available(?:: (?<why>.+))?|Lazy pages are not permitted|(?:Non-cooperative )?UFFD is not supported)/,
    reason: 'This kernel or this user cannot restore lazily<: {why}>',
    remedy:
      'Run with CAP_SYS_PTRACE or set vm.unprivileged_userfaultfd=1, on a kernel with CONFIG_USERFAULTFD; else leave out lazyPages (--lazy-pages)',
    option: HINTS.lazyPages,
  },
  {
    id: 'pipe-limit',
    match: /page-pipe: (?<call>splice|tee): -?\d+: (?<why>.+)/,
    reason: 'The pipes for memory pages cannot be made large enough ({call}: {why})',
    remedy: 'Set fs.pipe-max-size to at least 4194304 (sysctl), or run with CAP_SYS_RESOURCE',
  },
  {
    id: 'lazy-restorer-gone',
    match: /Restorer unexpectedly closed the connection/,
    reason: 'The restore ended while its memory was still being brought',
    remedy: 'Read the log of the restore',
  },
  {
    id: 'lazy-transfer-failed',
    match: /Lazy pages transfer FAILED/,
    reason: 'Not all lazy pages arrived',
    rank: 'symptom',
  },
  {
    id: 'image-streamer',
    match: /Unable to connect to image streamer socket(?:: (?<path>\S+))?/,
    reason: 'The image streamer< at "{path}"> is not there',
    remedy: 'Start the restore or dump only after the streamer says that its socket is ready',
  },
];
