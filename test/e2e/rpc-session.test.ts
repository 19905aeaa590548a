// The conformance suite over CRIU itself: both versions, both sessions. What the simulator passes in test/integration/rpc has to
// hold here too.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { openLibcriu } from '../../src/rpc/libcriu.js';
import { openSwrk } from '../../src/rpc/swrk.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { need } from '../helpers/needs.js';
import { describeSession } from '../integration/rpc/session-conformance.js';

const home = process.env['FRAZIL_HOME'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'frazil');
const library = join(home, 'libcriu', 'libcriu.so.2');
const root = need('root', process.getuid?.() !== 0 && 'not root');
const libcriu = need('libcriu in the private prefix', !existsSync(library) && `no ${library}; run scripts/setup`);

for (const criu of CRIUS) {
  describeSession({
    title: `swrk, CRIU ${criu.name}`,
    kind: 'swrk',
    needs: [root, criu.here],
    real: true,
    checks: true,
    open: async () => openSwrk({ criu: criu.path }),
  });
  describeSession({
    title: `libcriu, CRIU ${criu.name}`,
    kind: 'libcriu',
    needs: [root, criu.here, libcriu],
    real: true,
    checks: criu.name !== '4.1',
    open: () => openLibcriu({ criu: criu.path, library }),
  });
}
