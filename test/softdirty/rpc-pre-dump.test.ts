// Pre-dumps over a session, where the kernel tracks memory.

import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openLibcriu } from '../../src/rpc/libcriu.js';
import { openSwrk } from '../../src/rpc/swrk.js';
import type { CriuOpts } from '../../src/schema/rpc.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { home } from '../helpers/prefix.js';
import { taskOf } from '../helpers/procfs.js';
import { SOFT_DIRTY } from '../helpers/soft-dirty.js';
import { startProgram } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const library = join(home, 'libcriu', 'libcriu.so.2');

async function withIterations(
  body: (opts: (iteration: number) => CriuOpts, path: string, pid: number) => Promise<void>,
) {
  await using dir = tempDir();
  const { target } = await startProgram(['sleep', '1000'], () => true);
  await until('the target runs its program', () => taskOf(target.pid)?.name === 'sleep');
  const open: number[] = [];
  const opts = (iteration: number): CriuOpts => {
    mkdirSync(join(dir.path, String(iteration)));
    const fd = openSync(join(dir.path, String(iteration)), 'r');
    open.push(fd);
    const parent = iteration === 0 ? {} : { parent_img: `../${iteration - 1}` };
    return { images_dir_fd: fd, pid: target.pid, log_file: 'log', log_level: 4, network_lock: 'NFTABLES', ...parent };
  };
  try {
    await body(opts, dir.path, target.pid);
  } finally {
    for (const fd of open) closeSync(fd);
    await target.kill();
  }
}

for (const criu of CRIUS) {
  testWith([SOFT_DIRTY, criu.here], `PRE_DUMP twice and a DUMP on one session, CRIU ${criu.name}`, async () => {
    await withIterations(async (opts, path, pid) => {
      await using session = openSwrk({ criu: criu.path });
      expect(await session.exchange({ kind: 'PRE_DUMP', opts: opts(0) })).toEqual({ kind: 'served' });
      expect(await session.exchange({ kind: 'PRE_DUMP', opts: opts(1) })).toEqual({ kind: 'served' });
      const last = { ...opts(2), track_mem: true, leave_running: true, notify_scripts: true };
      expect(await session.exchange({ kind: 'DUMP', opts: last })).toEqual({ kind: 'served', restored: false });
      for (const iteration of ['0', '1', '2'])
        expect(existsSync(join(path, iteration, `pagemap-${pid}.img`)), iteration).toBe(true);
      expect(existsSync(join(path, '2', 'parent', 'parent'))).toBe(true);
      await until('the target runs on', () => taskOf(pid)?.state === 'S');
    });
  });

  testWith([SOFT_DIRTY, criu.here], `SINGLE_PRE_DUMP over both sessions, CRIU ${criu.name}`, async () => {
    await withIterations(async (opts, path, pid) => {
      await using swrk = openSwrk({ criu: criu.path });
      expect(await swrk.exchange({ kind: 'SINGLE_PRE_DUMP', opts: opts(0) })).toEqual({ kind: 'served' });
      await using libcriu = await openLibcriu({ criu: criu.path, library });
      expect(await libcriu.exchange({ kind: 'SINGLE_PRE_DUMP', opts: opts(1) })).toEqual({ kind: 'served' });
      for (const iteration of ['0', '1'])
        expect(existsSync(join(path, iteration, `pagemap-${pid}.img`)), iteration).toBe(true);
      await until('the target runs on', () => taskOf(pid)?.state === 'S');
    });
  });
}
