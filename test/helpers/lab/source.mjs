// Runs in the other of two machines of the lab: starts a program that changes its memory all the time, and migrates it over their cable.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { migrate } from '../../../dist/index.js';
import { ask, tell } from './ask.mjs';

const { control, command, ...options } = JSON.parse(process.argv[2]);

mkdirSync(dirname(control), { recursive: true });
// Beyond what runs in the other machine, which counts from the same number.
writeFileSync('/proc/sys/kernel/ns_last_pid', '25000');
const [program, ...args] = command;
spawn(program, args, { detached: true, stdio: 'ignore' });
const { pid } = await ask(control, 'pid');
await ask(control, 'run');
const report = await migrate(pid, options).done;
// It has been killed here; who inherited it may not have looked yet.
while (existsSync(`/proc/${pid}/exe`)) await pause(50);
tell({ event: 'migrated', ...report });
