import { HINTS } from './hints.js';
import type { Rule } from './rule.js';

/** Rights, versions and options: what the host or the request lacks. */
export const HOST_RULES: readonly Rule[] = [
  {
    id: 'non-root',
    match: /Running as non-root requires '--unprivileged'/,
    reason: 'CRIU does not run as root',
    remedy:
      'Run as root, or pass unprivileged: true (--unprivileged) with cap_checkpoint_restore on the CRIU program (setcap)',
    option: HINTS.unprivileged,
    anyLevel: true,
  },
  {
    id: 'capability-missing',
    match: /CRIU needs to have the CAP_SYS_ADMIN or the CAP_CHECKPOINT_RESTORE capability/,
    reason: 'CRIU has neither CAP_SYS_ADMIN nor CAP_CHECKPOINT_RESTORE',
    remedy: 'Run as root, or give the CRIU program the capability: setcap cap_checkpoint_restore+eip',
    anyLevel: true,
  },
  {
    id: 'swrk-only',
    match: /(?<field>rst_sibling|inherit_fd) is not allowed in standalone service/,
    reason: 'The option {field} does not work through a CRIU service',
    remedy: 'Use swrk, the default',
  },
  {
    id: 'log-file-subdir',
    match: /No subdirs are allowed in log_file name/,
    reason: 'The name of the log file has a directory in it',
    remedy: 'Pass logFile (--log-file) as a bare name and the directory as workDir (--work-dir)',
    option: HINTS.logFile,
  },
  {
    id: 'images-dir-unset',
    match: /Neither images_dir_fd nor images_dir was passed/,
    reason: 'The request names no images directory',
  },
  {
    id: 'images-dir-unopenable',
    match: /Can't open dir (?<path>\S+): (?<why>.+)/,
    reason: 'The directory "{path}" cannot be opened: {why}',
    remedy: 'Check that it exists and that the process which made the socket still holds it open',
  },
  {
    id: 'restore-only-option',
    match: /Option --(?<flag>mntns-compat-mode) is only valid on restore/,
    reason: 'The option --{flag} is for restore only',
    remedy: 'Leave mntnsCompatMode (--mntns-compat-mode) out of the dump',
    option: HINTS.mntnsCompatMode,
  },
  {
    id: 'option-unknown',
    match: /unrecognized option '(?<flag>[^']+)'/,
    reason: 'CRIU does not know the option {flag}',
    remedy: 'Check the spelling, or use a newer CRIU',
    anyLevel: true,
  },
  {
    id: 'option-invalid',
    match: /invalid argument for (?<flag>\S+): (?<value>.+)/,
    reason: 'CRIU does not take "{value}" for {flag}',
    anyLevel: true,
  },
  {
    id: 'join-namespace',
    match: /Can't access join-ns file (?<path>\S+): (?<why>.+)/,
    reason: 'The namespace file "{path}" cannot be opened: {why}',
    remedy: 'Check that its process lives and may be inspected',
  },
  {
    id: 'criu-too-old-vdso',
    match:
      /(?:vdso: Unexpected rt vDSO area bounds|Failed to fill self vdso symtable|kerndat_vdso_fill_symtable failed)/,
    reason: 'This CRIU is too old for the kernel: it does not understand its vDSO',
    remedy: 'Use CRIU 4.2 or newer (scripts/setup brings it)',
  },
  {
    id: 'kerndat-failed',
    match: /(?<probe>\w+) (?:has )?failed when initializing kerndat/,
    reason: 'CRIU could not find out what this kernel can do ({probe})',
    remedy: 'Run criu check as the same user; a newer CRIU may know this kernel',
    rank: 'symptom',
  },
  {
    id: 'criu-bug',
    match: /BUG at (?<at>criu\/\S+:\d+)/,
    reason: 'CRIU stopped at an assertion of its own ({at})',
    remedy: 'Try a newer CRIU, and report the log to its developers',
  },
];
