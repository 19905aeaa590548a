// Run in a process of its own by the `version` scenarios: `node version-session.js CRIU SESSIONS EXCHANGES`. The same work as
// native/bench/version.c, through Frazil's session, and the same JSON on standard output.

import { openSwrk } from '../../rpc/swrk.js';
import { formatVersion, repeat, type VersionOf } from './repeat.js';

const [criu = '', sessions = '', exchanges = ''] = process.argv.slice(2);
let answer: VersionOf | undefined;

const session = await repeat(Number(sessions), async () => {
  await using swrk = openSwrk({ criu });
  const served = await swrk.exchange({ kind: 'VERSION' });
  if (served.kind === 'served') answer = served.version;
});

await using open = openSwrk({ criu });
const exchange = await repeat(Number(exchanges), async () => {
  await open.exchange({ kind: 'VERSION', keepOpen: true });
});

process.stdout.write(`${JSON.stringify({ session, exchange, answer: formatVersion(answer) })}\n`);
