import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLibcriu } from '../../../src/rpc/libcriu.js';
import { openSwrk } from '../../../src/rpc/swrk.js';
import { need } from '../../helpers/needs.js';
import { home } from '../../helpers/prefix.js';
import { describeSession } from './session-conformance.js';

const simulator = fileURLToPath(new URL('../../helpers/criu-simulator.mjs', import.meta.url));
const library = join(home, 'libcriu', 'libcriu.so.2');

const common = { real: false, checks: true } as const;

describeSession({
  ...common,
  title: 'swrk, simulator',
  kind: 'swrk',
  needs: [],
  open: async () => openSwrk({ criu: simulator }),
});

describeSession({
  ...common,
  title: 'libcriu, simulator',
  kind: 'libcriu',
  needs: [need('libcriu in the private prefix', !existsSync(library) && `no ${library}; run scripts/setup`)],
  open: () => openLibcriu({ criu: simulator, library }),
});
