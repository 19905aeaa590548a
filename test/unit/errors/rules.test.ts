import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/errors/explain.js';
import { RULES } from '../../../src/errors/rules/all.js';
import { HINTS } from '../../../src/errors/rules/hints.js';
import { KNOWN } from './known-lines.js';

/** Seen while provoking failures, or named by users, beyond the numbered list. */
const FURTHER: readonly (readonly [rule: string, line: string])[] = [
  ['no-iptables', 'Error (criu/util.c:642): execvp("iptables-restore", ...) failed: No such file or directory'],
  ['other-uid-rlimit', "(00.121960) Error (criu/cr-dump.c:389): Can't get rlimit 0: Operation not permitted"],
  [
    'sysv-shm-outside-ipcns',
    "(00.050173) Error (criu/cr-dump.c:478): Task 18128 with SysVIPC shmem map @7fb23f5be000 doesn't live in IPC ns",
  ],
  ['nested-namespace', "(00.046996) Error (criu/namespaces.c:460): Can't dump nested pid namespace for 19807"],
  ['pidns-without-init', "(00.1) Error (criu/namespaces.c:900): Can't dump a pid namespace without the process init"],
  ['session-leader-missing', "(00.1) Error (criu/pstree.c:400): Can't find a session leader for 4121"],
  ['pidfd-outside-tree', '(00.060779) Error (criu/pidfd.c:97): pidfd: pidfd pid 1 is not a part of process tree..'],
  [
    'no-such-process',
    '(00.047690) Warn  (compel/src/lib/infect.c:132): Unable to interrupt task: 999999 (No such process)',
  ],
  ['zombie-threads', '(00.1) Error (criu/seize.c:800): Zombies with threads are not supported'],
  ['thread-stopped', '(00.1) Error (criu/seize.c:810): Individually stopped threads not supported'],
  ['task-32bit', "(00.1) Error (compel/arch/x86/src/lib/infect.c:1): Can't dump task 4121 running in 32-bit mode"],
  ['pending-sigtrap', "(00.1) Error (compel/src/lib/infect.c:1): Can't dump the 4121 thread with a pending SIGTRAP."],
  ['tun-outside-netns', '(00.040281) Error (criu/tun.c:306): tun: Net namespace is required to dump tun link'],
  ['criu-too-old-sockopt', "Error (criu/sockets.c:628): sockets: Can't get 1:16 opt: Operation not supported"],
  ['socket-unsupported', '(00.1) Error (criu/sk-inet.c:100): inet: Unsupported proto 1 for socket bc55'],
  ['socket-corked', "(00.1) Error (criu/sk-inet.c:110): inet: Can't dump corked dgram socket bc55"],
  ['tcp-lock-failed', '(00.043289) Error (criu/sk-tcp.c:81): tcp: Failed to lock TCP connection c4b6'],
  ['netns-link', '(00.1) Error (criu/net.c:700): net: Unsupported link 3 (type 1 kind wireguard)'],
  ['link-remap-failed', "(00.1) Error (criu/files-reg.c:1200): Can't link remap to /srv/x: Read-only file system"],
  ['path-unsupported', '(00.1) Error (criu/files-reg.c:1850): The path [(unreachable)/x] is not supported'],
  ['uprobes-mapping', '(00.1) Error (criu/proc_parse.c:1): PID 4121 has uprobes vma. Consider using --allow-uprobes.'],
  ['fsnotify-handle', "(00.1) Error (criu/fsnotify.c:200): fsnotify: \tCan't dump that handle"],
  ['pipe-packetized', '(00.1) Error (criu/pipes.c:400): The packetized mode for pipes is not supported yet'],
  ['scm-in-flight', '(00.1) Error (criu/sk-queue.c:100): skqueue: Control messages in queue, not supported'],
  ['mount-unsupported-fs', '(00.1) Error (criu/mount.c:1): mnt: FS mnt ./x dev 0x21 root / unsupported id 1'],
  ['mount-stacked', 'Error (criu/mount.c:48): mnt: BUG at criu/mount.c:48'],
  ['inventory-missing', '(00.058678) Error (criu/protobuf.c:72): Unexpected EOF on (empty-image)'],
  [
    'image-truncated',
    '(00.041279) Error (criu/protobuf.c:93): Read 38 bytes while 2679 expected from /tmp/x/core-21950.img: No such file or directory',
  ],
  [
    'image-unreadable',
    '(00.034230) Error (criu/protobuf.c:101): Failed unpacking object 0x7ffce2ca7ff0 from /tmp/x/core-21950.img',
  ],
  ['pages-unreadable', "(00.032687) pie: 17757: Error (criu/pie/restorer.c:1907): Can't read pages data (-9)"],
  ['image-missing', '(00.038271) No pstree.img image'],
  ['cpuinfo-missing', '(00.1) Error (criu/arch/x86/cpu.c:411): cpu: No cpuinfo image'],
  ['lazy-transfer-failed', '(00.1) Error (criu/cr-dump.c:1): Lazy pages transfer FAILED.'],
  ['option-unknown', "/usr/sbin/criu: unrecognized option '--plugin-x'"],
  ['option-invalid', 'Error (criu/config.c:1071): invalid argument for -J: uts:/proc/1/ns/uts'],
  ['join-namespace', "Error (criu/namespaces.c:105): Can't access join-ns file /proc/1/ns/uts: Permission denied"],
  ['kerndat-failed', 'Error (criu/kerndat.c:1700): kerndat_uffd failed when initializing kerndat.'],
  ['criu-bug', 'Error (criu/seize.c:400): BUG at criu/seize.c:400'],
];

const HARMLESS: readonly (readonly [rule: string, line: string])[] = [
  [
    'nofile-limit',
    "(00.028187) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
  ],
  ['kdat-cache', "(00.003) Warn  (criu/kerndat.c:1470): Can't keep kdat cache on non-tempfs"],
  ['nft-table-absent', 'Error: Could not process rule: No such file or directory'],
  ['not-fatal', '(00.1) Error (criu/cr-check.c:1): cgroupns not supported. This is not fatal.'],
  ['inotify-events', '(00.070183) Warn  (criu/fsnotify.c:325): fsnotify: The 0x000018 inotify events will be dropped'],
  [
    'interrupted-syscall',
    '(00.131446) Warn  (compel/arch/x86/src/lib/infect.c:419): Will restore 17938 with interrupted system call',
  ],
  ['stopped-tasks', '(00.1) Warn  (criu/cr-dump.c:1700): Stopped tasks are not supported'],
  ['swrk-closed', "Error (criu/cr-service.c:1300): Can't recv request: Connection reset by peer"],
  ['helper-exited', '(00.033090) Error (criu/util.c:657): exited, status=1'],
  ['ghost-link', "(00.135114)  18072: Warn  (criu/files-reg.c:1881): Can't link tmp/x/lk.cr.1.ghost -> tmp/x/lk"],
];

/** Row 50 is the harmless limit, tested below. */
const ROWS = 66;

describe('RULES', () => {
  it.each(KNOWN)('row %i: %s', (_row, rule, line) => {
    expect(explain(line).causes.map((cause) => cause.rule)).toEqual([rule]);
  });

  it.each(FURTHER)('%s', (rule, line) => {
    expect(explain(line).causes.map((cause) => cause.rule)).toEqual([rule]);
  });

  it.each(HARMLESS)('%s is harmless, and says why', (rule, line) => {
    const { causes, harmless } = explain(line);
    expect(causes).toEqual([]);
    expect(harmless).toMatchObject([{ rule, line: 1, text: line }]);
  });

  it('cover every numbered failure', () => {
    const covered = new Set([50, ...KNOWN.map(([row]) => row)]);
    expect([...covered].sort((a, b) => a - b)).toEqual(Array.from({ length: ROWS }, (_, i) => i + 1));
  });

  it('are each tested with a line', () => {
    const tested = new Set([
      ...KNOWN.map(([, rule]) => rule),
      ...FURTHER.map(([rule]) => rule),
      ...HARMLESS.map(([rule]) => rule),
    ]);
    const untested = RULES.filter(({ id, rank }) => rank !== 'consequence' && !tested.has(id));
    expect(untested.map(({ id }) => id)).toEqual([]);
  });

  it('have ids of their own', () => {
    const ids = RULES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('have sentences without final stop, and a remedy that names the option it hints at', () => {
    for (const { id, reason, remedy = '', option } of RULES) {
      expect(`${id}: ${reason}`).not.toMatch(/\.$/);
      expect(`${id}: ${remedy}`).not.toMatch(/\.$/);
      if (option !== undefined)
        expect(`${remedy} ${reason}`.toLowerCase()).toMatch(
          new RegExp(`${option.option}|${option.flag}`.toLowerCase()),
        );
    }
  });

  it('never use a contraction', () => {
    for (const { reason, remedy = '' } of RULES) expect(`${reason} ${remedy}`).not.toMatch(/\w'(?:t|s|re|ll|ve)\b/);
  });
});

describe('HINTS', () => {
  it('name each option once', () => {
    const names = Object.entries(HINTS);
    for (const [key, { option, flag }] of names) {
      expect(option).toBe(key);
      expect(flag).toMatch(/^--[a-z]/);
    }
  });
});
