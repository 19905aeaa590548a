// What happens to an archive when Frazil is killed while it writes one, and when what it writes to takes nothing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { createArchive } from '../../src/archive/create/call.js';
import { verifyArchive } from '../../src/archive/lazily.js';
import { dump } from '../../src/criu/dump.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { FRAZIL } from '../helpers/frazil-cli.js';
import { testWith } from '../helpers/needs.js';
import { startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const MOMENTS = ['preparing', 'freezing', 'writing'] as const;

for (const leaveRunning of [true, false]) {
  testWith(
    [CRIU_42.here],
    `killed while it writes, leaveRunning ${leaveRunning}: no archive, and the tree runs on`,
    async () => {
      await using dir = tempDir();
      const control = join(dir.path, 'control');
      await using target = await startTarget('memory', [control, '200', '2', '0'], { control });
      const before = await target.ask('digest');
      const out = dir.folder('out');
      let interrupted = 0;
      for (const moment of MOMENTS) {
        const path = join(out, 'a.tar.zst');
        // Slow enough to be met in the middle of anything.
        const options = [
          '--level',
          '15',
          '--threads',
          '1',
          '--progress',
          '--json',
          ...(leaveRunning ? ['--leave-running'] : []),
        ];
        const [file, ...words] = [...FRAZIL, 'checkpoint', '-t', String(target.pid), '-o', path, ...options] as const;
        const run = spawn(file, words, {
          stdio: ['ignore', 'pipe', 'ignore'],
          env: { ...process.env, FRAZIL_CRIU: CRIU_42.path },
        });
        let said = '';
        run.stdout.on('data', (text: Buffer) => {
          said += text.toString();
          if (said.includes(`"phase":"${moment}"`)) run.kill('SIGKILL');
        });
        const [, signal] = await once(run, 'close');
        expect(signal, said).toBe('SIGKILL');
        interrupted += 1;
        // Nothing of it is there, whatever it is called: the file had no name.
        expect(readdirSync(out)).toEqual([]);
        await until('the tree runs', () => target.ask('digest').then(Boolean, () => false));
        expect(await target.ask('digest')).toEqual(before);
      }
      expect(interrupted).toBe(MOMENTS.length);
      // And it can be checkpointed by the next.
      const path = join(out, 'b.tar');
      await dump(target.pid, { to: archive(path), leaveRunning: true, criu: CRIU_42.path }).done;
      expect((await verifyArchive(archive(path)).done).profile).toBe('neutral');
    },
  );
}

testWith([CRIU_42.here], '/dev/full takes no archive, and the tree runs on', async () => {
  await using dir = tempDir();
  const control = join(dir.path, 'control');
  await using target = await startTarget('memory', [control, '8', '2', '0'], { control });
  for (const compress of ['none', 'zstd'] as const) {
    const to = archive('/dev/full', { compress });
    const failure = await dump(target.pid, { to, criu: CRIU_42.path }).done.catch((reason: unknown) => reason);
    expect(failure).toMatchObject({ code: 'IO', detail: { errno: 'ENOSPC', path: '/dev/full' } });
    expect(await target.ask('pid')).toBeDefined();
  }
});

test('/dev/full takes no archive of a directory', async () => {
  await using dir = tempDir();
  const images = dir.folder('images');
  writeFileSync(join(images, 'inventory.img'), 'inventory');
  writeFileSync(join(images, 'pages-1.img'), Buffer.alloc(1 << 20));
  // One task with pid 7: magic, magic, length, { pid: 7, ppid: 0, pgid: 7, sid: 7, threads: [7] }.
  writeFileSync(join(images, 'pstree.img'), Buffer.from('19435654303027500a00000008071000180720072807', 'hex'));
  for (const compress of ['none', 'lz4', 'gzip'] as const) {
    const failure = await createArchive(images, { to: '/dev/full', compress }).done.catch((reason: unknown) => reason);
    expect(failure).toMatchObject({ code: 'IO', detail: { errno: 'ENOSPC' } });
  }
});
