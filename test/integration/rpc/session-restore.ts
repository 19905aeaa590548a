import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { pidfdOpen, waitChild } from '../../../src/addon/children.js';
import type { Notification, Verdict } from '../../../src/rpc/session.js';
import { isAlive, taskOf } from '../../helpers/procfs.js';
import { until } from '../../helpers/until.js';
import { type Check, dumpAndKill, PROCEED, REFUSE, recorder, type Subject, settled, stage } from './session-stage.js';

export function describeRestore(subject: Subject, check: Check): void {
  check('RESTORE brings the tree back and tells its root at post-restore', async () => {
    await using set = await stage();
    await dumpAndKill(subject, set);
    const { notify, asked, scripts } = recorder();
    const { images_dir_fd } = set.opts;
    const answer = await settled(
      subject,
      { kind: 'RESTORE', opts: { images_dir_fd, notify_scripts: true, log_file: 'restore.log', log_level: 4 } },
      { notify },
    );
    expect(answer).toMatchObject({ kind: 'served' });
    const pid = answer.kind === 'served' ? answer.pid : 0;
    if (subject.real) expect(pid).toBe(set.target.pid);
    expect(asked).toContainEqual({ kind: 'post-restore', pid });
    expect(scripts()[0]).toBe('pre-restore');
    expect(scripts().slice(-2)).toEqual(['pre-resume', 'post-resume']);
    await until('the restored task runs', () => taskOf(pid)?.state === 'S');
  });

  check('a refused post-restore leaves nothing behind', async () => {
    await using set = await stage();
    await dumpAndKill(subject, set);
    let root = 0;
    const notify = (notification: Notification): Verdict => {
      if (notification.kind !== 'post-restore') return PROCEED;
      root = notification.pid;
      return REFUSE;
    };
    const { images_dir_fd } = set.opts;
    const answer = await settled(
      subject,
      { kind: 'RESTORE', opts: { images_dir_fd, notify_scripts: true, log_file: 'restore.log' } },
      { notify },
    );
    expect(answer).toMatchObject({ kind: 'refused', refusedAt: 'post-restore' });
    expect(root).toBeGreaterThan(0);
    await until('nothing is left', () => !isAlive(root));
  });

  check('a refusal at pre-resume comes too late', async () => {
    await using set = await stage();
    await dumpAndKill(subject, set);
    const { notify } = recorder({ 'pre-resume': REFUSE });
    const { images_dir_fd } = set.opts;
    const answer = await settled(
      subject,
      { kind: 'RESTORE', opts: { images_dir_fd, notify_scripts: true, log_file: 'restore.log' } },
      { notify },
    );
    expect(answer).toMatchObject({ kind: 'served' });
  });

  if (subject.real)
    check('rst_sibling makes the root our child, whose end we learn', async () => {
      await using set = await stage();
      await dumpAndKill(subject, set);
      const { images_dir_fd } = set.opts;
      const opts = { images_dir_fd, notify_scripts: true, rst_sibling: true, log_file: 'restore.log', log_level: 4 };
      const answer = await settled(subject, { kind: 'RESTORE', opts });
      expect(answer, readFileSync(`${set.images}/restore.log`, 'utf8').slice(-2000)).toEqual({
        kind: 'served',
        pid: set.target.pid,
      });
      expect(taskOf(set.target.pid)?.parent).toBe(process.pid);
      using pidfd = pidfdOpen(set.target.pid);
      process.kill(set.target.pid, 'SIGTERM');
      expect(await waitChild(pidfd).done).toMatchObject({ kind: 'signaled', signal: 15 });
    });
}
