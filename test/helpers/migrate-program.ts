// Migrates, in a process that a test can kill.

import { migrate } from '../../src/migrate/migrate.js';

const { pid, options } = JSON.parse(process.argv[2] ?? '{}');
const report = await migrate(pid, options).done;
process.stdout.write(`${JSON.stringify(report)}\n`);
