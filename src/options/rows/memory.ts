// Options about memory: parents, tracking, lazy pages, and TLS of CRIU's own page transfer.

import { rpc } from '../row.js';
import type { PreDumpMode } from '../types.js';
import { choice, flag, relativePath, text } from '../values.js';

const PRE_DUMP_MODES = { splice: 'SPLICE', read: 'VM_READ' } as const satisfies Record<PreDumpMode, string>;
const PRE_DUMP_MODE = choice(['splice', 'read']);
const TLS_OPERATIONS = ['dump', 'preDump', 'pageServer'] as const;

export const MEMORY = {
  parent: rpc('parent_img', {
    flags: ['--prev-images-dir'],
    type: relativePath,
    default: 'none',
    text: 'Images directory of the previous iteration, relative to the new one',
    operations: ['dump', 'preDump', 'pageServer'],
    quirk: 'must exist where CRIU runs, also when the pages travel elsewhere',
  }),
  trackMem: rpc('track_mem', {
    flags: ['--track-mem'],
    type: flag,
    default: 'off; a pre-dump always tracks',
    text: 'Track memory changes from here on, so that a next iteration can skip what did not change',
    operations: ['dump', 'preDump'],
    quirk:
      'needs soft-dirty in the kernel (feature mem_track); a pre-dump without it aborts CRIU, so Frazil never sends that',
  }),
  autoDedup: rpc('auto_dedup', {
    flags: ['--auto-dedup'],
    type: flag,
    default: 'off',
    text: 'Punch pages out of older images: of the parents on dump, of the images themselves on restore',
    operations: ['dump', 'preDump', 'restore', 'pageServer'],
    quirk: 'the images are used up as it goes',
  }),
  preDumpMode: rpc('pre_dump_mode', {
    flags: ['--pre-dump-mode'],
    type: PRE_DUMP_MODE,
    default: 'splice',
    text: 'Take pages through the parasite, or with process_vm_readv after the tree is running again',
    operations: ['preDump'],
    encode: (mode: PreDumpMode) => PRE_DUMP_MODES[mode],
  }),
  lazyPages: rpc('lazy_pages', {
    flags: ['--lazy-pages'],
    type: flag,
    default: 'off',
    text: 'On dump serve pages on demand afterwards; on restore fetch them on demand',
    operations: ['dump', 'restore'],
    quirk: 'over RPC a lazy dump ignores the address and listens on all of them, unless a config file says `address`',
  }),
  tls: rpc('tls', {
    flags: ['--tls'],
    type: flag,
    default: 'off',
    text: "Use TLS between CRIU's page servers",
    operations: TLS_OPERATIONS,
    quirk: "not together with Frazil's own page socket: CRIU then never starts TLS",
  }),
  tlsCacert: rpc('tls_cacert', {
    flags: ['--tls-cacert'],
    type: text('FILE'),
    default: '/etc/pki/CA/cacert.pem',
    text: 'Trust only certificates signed by this CA',
    operations: TLS_OPERATIONS,
  }),
  tlsCacrl: rpc('tls_cacrl', {
    flags: ['--tls-cacrl'],
    type: text('FILE'),
    default: '/etc/pki/CA/cacrl.pem',
    text: 'Revocation list of that CA',
    operations: TLS_OPERATIONS,
  }),
  tlsCert: rpc('tls_cert', {
    flags: ['--tls-cert'],
    type: text('FILE'),
    default: '/etc/pki/criu/cert.pem',
    text: 'Own certificate',
    operations: TLS_OPERATIONS,
  }),
  tlsKey: rpc('tls_key', {
    flags: ['--tls-key'],
    type: text('FILE'),
    default: '/etc/pki/criu/private/key.pem',
    text: 'Own private key',
    operations: TLS_OPERATIONS,
  }),
  tlsNoCnVerify: rpc('tls_no_cn_verify', {
    flags: ['--tls-no-cn-verify'],
    type: flag,
    default: 'off',
    text: 'Do not compare the name in the certificate with the host',
    operations: TLS_OPERATIONS,
  }),
} as const;
