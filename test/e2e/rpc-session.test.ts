// The conformance suite over CRIU itself: both versions, both sessions. What the simulator passes in test/integration/rpc has to
// hold here too.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { openLibcriu } from '../../src/rpc/libcriu.js';
import { openSwrk } from '../../src/rpc/swrk.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { need } from '../helpers/needs.js';
import { home } from '../helpers/prefix.js';
import { tempDir } from '../helpers/temp-dir.js';
import { buildCli, MAIN } from '../integration/cli/programs.js';
import { describeSession } from '../integration/rpc/session-conformance.js';

const library = join(home, 'libcriu', 'libcriu.so.2');
// What a caller finds who has put `frazil` where `criu` was.
const dir = tempDir();
const through = join(dir.path, 'criu');
writeFileSync(through, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, { mode: 0o755 });

const root = need('root', process.getuid?.() !== 0 && 'not root');
const libcriu = need('libcriu in the private prefix', !existsSync(library) && `no ${library}; run scripts/setup`);

beforeAll(buildCli, 120_000);
afterAll(() => dir[Symbol.asyncDispose]());

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
    title: `swrk through "frazil swrk", CRIU ${criu.name}`,
    kind: 'swrk',
    needs: [root, criu.here],
    real: true,
    checks: true,
    open: async () => openSwrk({ criu: through, env: { ...process.env, FRAZIL_CRIU: criu.path } }),
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
