// Run in a process of its own by the peer `criu+node-tar`: a folder as a tar on standard output, by the npm package.

import { pipeline } from 'node:stream/promises';
import { create } from 'tar';

const [cwd = '.', folder = '.'] = process.argv.slice(2);
await pipeline(create({ cwd }, [folder]), process.stdout);
