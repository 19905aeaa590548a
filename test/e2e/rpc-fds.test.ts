// Fds that cross into CRIU: pages to a page server, and a pipe of ours in place of the one that was dumped.

import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { pipe } from '../../src/addon/files.js';
import { openLibcriu } from '../../src/rpc/libcriu.js';
import type { Session } from '../../src/rpc/session.js';
import { openSwrk, type SwrkOptions } from '../../src/rpc/swrk.js';
import { CRIUS } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { home } from '../helpers/prefix.js';
import { fdsOf, isAlive, taskOf, waitGone } from '../helpers/procfs.js';
import { programOf } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';

const library = join(home, 'libcriu', 'libcriu.so.2');

const SESSIONS: readonly (readonly [string, (options: SwrkOptions) => Promise<Session>])[] = [
  ['swrk', async (options) => openSwrk(options)],
  ['libcriu', (options) => openLibcriu({ ...options, library })],
];
const INSIDE = 10;

for (const criu of CRIUS)
  for (const [kind, open] of SESSIONS)
    describe(`${kind}, CRIU ${criu.name}:`, () => {
      testWith([criu.here], 'a restore takes over a pipe of ours', async () => {
        await using dir = tempDir();
        const before = Object.keys(fdsOf('self')).length;
        const images = openSync(dir.path, 'r');
        const old = pipe();
        const child = spawn(await programOf('clean'), ['yes'], {
          detached: true,
          stdio: ['ignore', old.write.number, 'ignore'],
        });
        const pid = child.pid ?? 0;
        await until('it fills its pipe', () => taskOf(pid)?.name === 'yes');
        const key = readlinkSync(`/proc/${pid}/fd/1`);
        const common = { images_dir_fd: images, notify_scripts: true, log_level: 4 } as const;
        {
          await using session = await open({ criu: criu.path });
          const answer = await session.exchange({
            kind: 'DUMP',
            opts: { ...common, pid, network_lock: 'NFTABLES', log_file: 'dump.log' },
          });
          expect(answer).toEqual({ kind: 'served', restored: false });
        }
        await waitGone([pid]);
        const fresh = pipe();
        {
          await using session = await open({ criu: criu.path, inherit: [{ fd: fresh.write, as: INSIDE }] });
          const opts = { ...common, rst_sibling: true, inherit_fd: [{ key, fd: INSIDE }], log_file: 'restore.log' };
          expect(await session.exchange({ kind: 'RESTORE', opts })).toEqual({ kind: 'served', pid });
        }
        const words = Buffer.alloc(4);
        await until('it writes into the new pipe', () => readSync(fresh.read.number, words) === words.length);
        // Where it had stopped in a line nobody knows.
        expect(words.toString().replaceAll('\n', 'y')).toBe('yyyy');
        process.kill(pid, 'SIGKILL');
        await until('it is gone', () => !isAlive(pid));
        for (const fd of [old.read, old.write, fresh.read, fresh.write]) fd.close();
        closeSync(images);
        await until('every fd is closed again', () => Object.keys(fdsOf('self')).length <= before);
      });

      testWith([criu.here], 'a dump sends its pages to a page server child', async () => {
        await using dir = tempDir();
        await using pages = tempDir();
        const images = openSync(dir.path, 'r');
        const server = openSync(pages.path, 'r');
        const child = spawn(await programOf('clean'), ['sleep', '1000'], { detached: true, stdio: 'ignore' });
        const pid = child.pid ?? 0;
        await until('it sleeps', () => taskOf(pid)?.name === 'sleep');
        await using receiver = openSwrk({ criu: criu.path });
        const ps = { address: '127.0.0.1', port: 27_027 };
        const listening = await receiver.exchange({
          kind: 'PAGE_SERVER_CHLD',
          opts: { images_dir_fd: server, ps, log_file: 'ps.log' },
        });
        expect(listening).toMatchObject({ kind: 'served', port: ps.port });
        {
          await using session = await open({ criu: criu.path });
          const opts = {
            images_dir_fd: images,
            pid,
            ps,
            notify_scripts: true,
            log_file: 'dump.log',
            network_lock: 'NFTABLES',
          } as const;
          expect(await session.exchange({ kind: 'DUMP', opts: { ...opts, leave_running: true } })).toMatchObject({
            kind: 'served',
          });
        }
        const waited = await receiver.exchange({
          kind: 'WAIT_PID',
          pid: listening.kind === 'served' ? listening.pid : 0,
        });
        expect(waited).toEqual({ kind: 'served', exit: { kind: 'exited', code: 0 } });
        expect(readdirSync(pages.path)).toContainEqual(expect.stringMatching(/^pages-/));
        expect(readdirSync(dir.path)).not.toContainEqual(expect.stringMatching(/^pages-/));
        process.kill(pid, 'SIGKILL');
        closeSync(images);
        closeSync(server);
      });
    });
