import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Image files that CRIU cannot read. */
export const IMAGE_RULES: readonly Rule[] = [
  {
    id: 'inventory-missing',
    match: /Unexpected EOF on \(empty-image\)/,
    reason: 'The images directory holds no inventory.img: the dump did not finish, or this is not an images directory',
    remedy: 'Check the path, or dump again',
  },
  {
    id: 'image-too-old',
    match: /Too old image, no longer supported/,
    reason: 'The checkpoint was made by a CRIU too old for this one',
    remedy: 'Restore with the CRIU that dumped',
  },
  {
    id: 'image-version',
    match: /Not supported images version (?<version>\d+)/,
    reason: 'The checkpoint has images of version {version}, which this CRIU does not know',
    remedy: 'Restore with a CRIU at least as new as the one that dumped',
  },
  {
    id: 'image-magic',
    match: /(?:Head magic|Magic) doesn't match for (?<path>\S+)/,
    reason: 'The image file "{path}" is damaged or of another kind: its magic number is wrong',
    remedy: 'Copy the checkpoint again from its source, or dump again',
  },
  {
    id: 'image-truncated',
    match:
      /(?:Read (?<got>-?\d+) bytes while (?<wanted>\d+) expected from (?<path>[^:]+)|Unexpected EOF on (?<other>\S+)|Reached EOF unexpectedly while reading page from image)/,
    reason: 'The image file< "{path}">< "{other}"> is shorter than it says<: {got} of {wanted} bytes>',
    remedy: 'Copy the checkpoint again from its source, or dump again',
  },
  {
    id: 'image-unreadable',
    match: /Failed unpacking object \S+ from (?<path>\S+)/,
    reason: 'The image file "{path}" is damaged',
    remedy: 'Copy the checkpoint again from its source, or dump again',
  },
  {
    id: 'pages-unreadable',
    match: /Can't read pages data \((?<err>-?\d+)\)/,
    reason: 'The pages of process {pid} cannot be read: pages-*.img is missing or shorter than its pagemap',
    remedy: 'Copy the checkpoint again from its source, or dump again',
    near: ['pid'],
  },
  {
    id: 'image-missing',
    match: /No (?<path>(?:pstree|files|(?:pagemap|core|mm|ids|fs)-\d+)\.img) image/,
    reason: 'The images directory holds no {path}',
    remedy: 'Copy the checkpoint again from its source, or dump again',
    anyLevel: true,
    rank: 'symptom',
  },
  {
    id: 'plugin-missing',
    match: /Missing required plugin: (?<plugin>\S+)/,
    reason: 'The checkpoint was made with the CRIU plugin "{plugin}", which is not here',
    remedy: 'Install the plugin in the libdir of CRIU',
  },
  {
    id: 'uprobes-in-image',
    match: /Dumped with --allow-uprobes\. Need to set it on restore as well/,
    reason: 'The tree was dumped with allowUprobes',
    remedy: 'Pass allowUprobes: true (--allow-uprobes) on restore as well',
    option: HINTS.allowUprobes,
  },
  {
    id: 'cpuinfo-missing',
    match: /cpu: No cpuinfo image/,
    reason: 'The checkpoint holds no cpuinfo.img to compare the CPU with',
    remedy: 'Dump with cpuCap (--cpu-cap), or leave it out on restore',
    option: HINTS.cpuCap,
  },
  {
    id: 'cpu-differs',
    match:
      /(?:CPU (?:instruction )?capabilities do not match run time|FPU feature required by image is not supported on host|CPU xfeatures has unsupported bits|CPU xsave (?:max )?size mismatch|FPU xsave area present, but host cpu doesn't support it)/,
    reason: 'This CPU lacks features of the one on which the tree was dumped',
    remedy:
      'Restore on the same CPU model, or start the program with those features masked; cpuCap (--cpu-cap) relaxes the check at your risk',
    option: HINTS.cpuCap,
  },
];
