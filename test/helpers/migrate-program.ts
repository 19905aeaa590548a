// Migrates a tree, or a container, in a process that a test can kill.

import { migrate } from '../../src/migrate/migrate.js';
import { migrateContainer } from '../../src/runtime/moved/migrate.js';

const { pid, container, options } = JSON.parse(process.argv[2] ?? '{}');
const run = container === undefined ? migrate(pid, options) : migrateContainer(container, options);
const report = await run.done;
process.stdout.write(`${JSON.stringify(report)}\n`);
