import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/errors/explain.js';

// Logs of CRIU 4.2.1 on kernel 6.18, each provoked on a real process; mappings and probes of the CPU are cut out.
const log = (name: string): string => readFileSync(new URL(`logs/${name}.log`, import.meta.url), 'utf8');

interface Decisive {
  readonly rule: string;
  readonly pid?: number;
  readonly fd?: number;
  readonly path?: string;
  readonly option?: string;
}

const LOGS: readonly (readonly [name: string, decisive: Decisive])[] = [
  ['session', { rule: 'not-session-leader', pid: 17873, option: 'shellJob' }],
  ['tcp', { rule: 'tcp-established', pid: 17905, fd: 4, option: 'tcpEstablished' }],
  ['inflight', { rule: 'tcp-in-flight', pid: 17925, fd: 3, option: 'skipInFlight' }],
  ['uring', { rule: 'fd-not-passable', pid: 17940 }],
  ['ghost', { rule: 'ghost-too-big', pid: 17955, fd: 3, path: '/tmp/prov/files/big', option: 'ghostLimit' }],
  ['remap', { rule: 'link-remap', pid: 17970, fd: 3, path: '/tmp/prov/files/l1', option: 'linkRemap' }],
  ['lock', { rule: 'file-locks', pid: 17985, fd: 3, path: '/tmp/prov/files/lk', option: 'fileLocks' }],
  ['tcp-iptables', { rule: 'network-lock-iptables', option: 'networkLock' }],
  ['netns-iptables', { rule: 'network-lock-iptables', option: 'networkLock' }],
  ['unixpair', { rule: 'unix-external', pid: 18068, fd: 0, option: 'extUnixSk' }],
  ['unixdg', { rule: 'unix-external', pid: 18098, fd: 3, option: 'extUnixSk' }],
  ['unixaccepted2', { rule: 'unix-half-stream', pid: 11175, fd: 3, path: '/tmp/prov/files/us', option: 'external' }],
  ['sysvshm', { rule: 'sysv-shm-outside-ipcns', pid: 18128 }],
  ['perf', { rule: 'file-type', pid: 18143, fd: 3, path: 'anon_inode:[perf_event]' }],
  ['fuse', { rule: 'file-type-device', pid: 18263, fd: 3 }],
  ['uid', { rule: 'other-uid-rlimit', pid: 19298 }],
  ['ptraced', { rule: 'task-traced', pid: 19317 }],
  ['ttyown', { rule: 'tty-master-outside', pid: 19420, fd: 0, path: '/dev/pts/2', option: 'shellJob' }],
  ['dstate', { rule: 'task-unseizable', pid: 19573 }],
  ['detached', { rule: 'mapping-mount-unknown', pid: 19665, path: '/root/.pyenv/versions/3.11.7/bin/python3.11' }],
  ['chrootns', { rule: 'mountinfo-unreadable', pid: 19734 }],
  ['nestedpid', { rule: 'nested-namespace', pid: 19807 }],
  ['mqueue', { rule: 'file-mount-unknown', pid: 20054, fd: 3, path: '/prov', option: 'external' }],
  ['pidfdpoll', { rule: 'pidfd-outside-tree', pid: 19949, fd: 3 }],
  ['nopid', { rule: 'no-such-process', pid: 999999 }],
  ['psrefused', { rule: 'page-server-unreachable' }],
  ['r-pidinuse', { rule: 'pid-in-use', pid: 17757 }],
  ['r-filegone', { rule: 'file-missing', pid: 17881, fd: 3, path: '/tmp/prov/files/f1' }],
  ['r-filesize', { rule: 'file-size', pid: 10369, fd: 3, path: '/tmp/prov/files/f1' }],
  ['r-filemode', { rule: 'file-mode', pid: 11063, fd: 3, path: '/tmp/prov/files/f1', option: 'skipFileRwxCheck' }],
  ['r-buildid', { rule: 'file-build-id', pid: 10441, path: '/tmp/prov/files/mysleep', option: 'fileValidation' }],
  ['r-portbusy', { rule: 'address-in-use', pid: 18042 }],
  ['r-tcpnoopt', { rule: 'tcp-established-in-image', pid: 17980, fd: 4, option: 'tcpEstablished' }],
  ['r-tcpclose', { rule: 'tcp-close-missing', option: 'tcpClose' }],
  ['r-sjtnotty', { rule: 'tty-nothing-to-inherit', pid: 18159, fd: 0 }],
  ['r-lazy', { rule: 'lazy-socket', option: 'lazyPages' }],
  ['v-nopages-r', { rule: 'pages-unreadable', pid: 17757 }],
  ['v-trunc-core-r', { rule: 'image-truncated', path: '/tmp/prov/files/v-trunc-core/core-21950.img' }],
  ['v-noinv-r', { rule: 'inventory-missing' }],
];

describe('explain() on logs of real failures', () => {
  it.each(LOGS)('%s', (name, decisive) => {
    const { causes, excerpt } = explain(log(name));
    const { rule, pid, fd, path, option } = causes[0] ?? { rule: 'none', pid: -1, fd: -1, path: '', option: undefined };
    const found = { rule, pid, fd, path, option: option?.option };
    const absent = { pid: undefined, fd: undefined, path: undefined, option: undefined };
    expect(found).toEqual({ ...absent, ...decisive });
    expect(causes[0]?.reason).not.toMatch(/unknown|undefined|[{}<>]/);
    expect(excerpt).toContain(`${causes[0]?.line}: ${causes[0]?.text}`);
  });

  it('calls the RLIMIT_NOFILE line harmless and never a cause', () => {
    const { causes, harmless } = explain(log('tcp'));
    expect(harmless.map(({ rule }) => rule)).toContain('nofile-limit');
    expect(causes.map(({ rule }) => rule)).toEqual(['tcp-established']);
  });

  it('finds no cause in a dump that succeeded, whatever it printed at warning level', () => {
    expect(log('zombie')).toContain('Unable to interrupt task');
    expect(explain(log('zombie')).causes).toEqual([]);
  });

  it('names the address and the port of a restored socket', () => {
    expect(explain(log('r-portbusy')).causes[0]?.reason).toContain('38123 on 127.0.0.1');
  });
});

describe('explain() without a useful log', () => {
  it('reads stderr', () => {
    const stderr = 'Error (criu/image.c:742): Invalid parent image directory provided: No such file or directory\n';
    expect(explain('', { stderr }).causes[0]).toMatchObject({ rule: 'parent-invalid', line: 0 });
  });

  it('falls back to the message in the answer', () => {
    const criuMessage =
      'Error (criu/config.c:1131): Tracking memory is not available. Consider omitting --track-mem option.\n';
    expect(explain('', { criuMessage }).causes[0]?.rule).toBe('no-soft-dirty');
  });

  it('quotes an error that no row knows', () => {
    const { causes } = explain(
      '(00.1) Error (criu/new.c:1): new: Frobnication failed\n(00.2) Error (criu/cr-dump.c:1): Dumping FAILED.',
    );
    expect(causes).toHaveLength(1);
    expect(causes[0]).toMatchObject({ rule: 'unknown', reason: 'CRIU says "new: Frobnication failed"' });
  });

  it('says nothing about an empty log', () => {
    expect(explain('')).toEqual({ causes: [], excerpt: [], harmless: [] });
  });
});

describe('explain() bounds', () => {
  it('never throws and stays within its limits on any text', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '(00.1) ',
        'Error (a:1): ',
        'pie: 7: ',
        '  9: ',
        '\n',
        ' fdinfo 3: pos:',
        'Runaway socket: ino 1 peer_ino 2',
        '{pid}',
        '<',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join('');
        const { causes, excerpt } = explain(text, { stderr: text, criuMessage: text });
        expect(causes.length).toBeLessThanOrEqual(20);
        expect(excerpt.length).toBeLessThanOrEqual(7);
        for (const cause of causes) if (cause.line > 0) expect(text.split('\n')[cause.line - 1]).toBe(cause.text);
      }),
    );
  });

  it('reads 17 000 lines in under 100 ms', () => {
    const block = log('lock').split('\n').slice(0, -8);
    const lines: string[] = [];
    while (lines.length < 17_000) lines.push(...block);
    const text = `${lines.join('\n')}\n${log('tcp')}`;
    // The processor's time and the best of three, because the machine is shared.
    const costs = [1, 2, 3].map(() => {
      const before = process.cpuUsage();
      expect(explain(text).causes[0]?.rule).toBe('tcp-established');
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    expect(Math.min(...costs)).toBeLessThan(100);
  });
});
