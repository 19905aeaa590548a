import { FILE_RULES } from './files.js';
import { CONSEQUENCE_RULES, HARMLESS_RULES } from './harmless.js';
import { HOST_RULES } from './host.js';
import { IMAGE_RULES } from './images.js';
import { MEMORY_RULES } from './memory.js';
import { MOUNT_RULES } from './mounts.js';
import { RESTORING_RULES } from './restoring.js';
import type { Rule } from './rule.js';
import { SOCKET_RULES } from './sockets.js';
import { TASK_RULES } from './tasks.js';
import { TERMINAL_RULES } from './terminals.js';

/** Every row; the first that matches a line wins, so narrow rows come before wide ones inside each file. */
export const RULES: readonly Rule[] = [
  ...TASK_RULES,
  ...TERMINAL_RULES,
  ...SOCKET_RULES,
  ...FILE_RULES,
  ...MOUNT_RULES,
  ...MEMORY_RULES,
  ...IMAGE_RULES,
  ...RESTORING_RULES,
  ...HOST_RULES,
  ...HARMLESS_RULES,
  ...CONSEQUENCE_RULES,
];
