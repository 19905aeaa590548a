// The doctor on real processes, without CRIU: what must be said, and what must not.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { examine, type TreeReport } from '../../../src/criu/doctor/examine.js';
import type { ChosenOptions, Finding } from '../../../src/criu/doctor/finding.js';
import { provoke } from '../../e2e/refused-targets.js';
import { fdsOf, taskOf } from '../../helpers/procfs.js';
import { startTarget, type TargetName } from '../../helpers/target.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';

const HOST = {
  capabilities: new Set([12, 19, 21, 40]),
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  iptables: false,
};
const look = (pid: number, options: ChosenOptions = {}): Promise<TreeReport> => examine(pid, options, HOST);
const serious = ({ findings }: TreeReport): Finding[] =>
  findings.filter(({ severity }) => severity === 'blocks' || severity === 'limits');

/** Targets that CRIU dumps (round trips in e2e), with the options that it needs for them. */
const DUMPABLE: readonly { name: TargetName; args: (dir: string) => readonly string[]; options: ChosenOptions }[] = [
  { name: 'tree', args: (dir) => [join(dir, 'files')], options: { fileLocks: true } },
  { name: 'mappings', args: (dir) => [join(dir, 'files')], options: {} },
  { name: 'memory', args: () => ['8', '4', '10'], options: {} },
];

describe('examine()', () => {
  test.each(DUMPABLE)(
    'finds nothing serious in the $name target, which CRIU dumps',
    async ({ name, args, options }) => {
      await using dir = tempDir();
      mkdirSync(join(dir.path, 'files'));
      const control = join(dir.path, 'control');
      await using target = await startTarget(name, [control, ...args(dir.path)], { control });
      const report = await look(target.pid, options);
      expect(serious(report)).toEqual([]);
      expect([...report.tasks].sort()).toEqual(target.tree().sort());
    },
  );

  test('estimates the memory of a target within a tenth', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    await using target = await startTarget('memory', [control, '64', '8', '10'], { control });
    const { estimate } = await look(target.pid);
    expect(estimate.bytes / (64 << 20)).toBeGreaterThan(0.9);
    expect(estimate.bytes / (64 << 20)).toBeLessThan(1.1);
    expect(estimate.threads).toBeGreaterThanOrEqual(8);
    expect(estimate.frozenMs).toBeGreaterThan(20);
  });

  test('says ok in place of what a chosen option answers', async () => {
    await using provoked = await provoke({
      program: 'import fcntl\nf=open("{dir}/lock","w");fcntl.flock(f,fcntl.LOCK_EX)',
    });
    const before = (await look(provoked.pid)).findings.find(({ id }) => id === 'file-locks');
    const after = (await look(provoked.pid, { fileLocks: true })).findings.find(({ id }) => id === 'file-locks');
    expect([before?.severity, after?.severity]).toEqual(['blocks', 'ok']);
    expect(before).toMatchObject({
      pid: provoked.pid,
      fd: 3,
      path: `${provoked.dir.path}/lock`,
      option: { flag: '--file-locks' },
    });
  });

  test('names a vfork parent in state D as what may not stop', async () => {
    const vfork =
      'import ctypes,os\nCLONE_VFORK=0x4000\nif os.fork()==0:\n  ctypes.CDLL(None).syscall(56,CLONE_VFORK|17,0,0,0,0)\n  wait()';
    await using provoked = await provoke({ program: vfork });
    const finding = await until('a task is in state D', async () =>
      (await look(provoked.pid)).findings.find(({ id }) => id === 'task-unseizable'),
    );
    expect(taskOf(finding.pid ?? 0)?.state).toBe('D');
    expect(finding.severity).toBe('limits');
  });

  test('sees a file below a covered mount, and a deleted library', async () => {
    const mounts = `import ctypes,os,sys
libc=ctypes.CDLL(None)
if libc.unshare(0x20000)!=0: raise OSError
libc.mount(b"none",b"/",None,0x44000,None)
libc.mount(b"t",b"/mnt",b"tmpfs",0,None)
f=open("/mnt/x","w");libc.mount(b"t",b"/mnt",b"tmpfs",0,None)
import mmap
g=open("{dir}/lib","w+b");g.truncate(2<<20);g.write(b"x"*(2<<20));g.flush();m=mmap.mmap(g.fileno(),0);os.unlink("{dir}/lib");g.close()`;
    await using provoked = await provoke({ program: mounts });
    const { findings } = await look(provoked.pid);
    expect(findings.find(({ id }) => id === 'file-overmounted')).toMatchObject({
      fd: 3,
      path: '/mnt/x',
      severity: 'blocks',
    });
    const ghost = findings.find(({ id }) => id === 'ghost-too-big');
    expect(ghost).toMatchObject({ severity: 'blocks', path: `${provoked.dir.path}/lib` });
  });

  test('knows a socketpair inside the tree from one that leads outside', async () => {
    await using inside = await provoke({ program: 'import socket\na,b=socket.socketpair()' });
    await using outside = await provoke({ program: '', outside: 'socketpair' });
    expect(serious(await look(inside.pid))).toEqual([]);
    expect(serious(await look(outside.pid))).toMatchObject([{ id: 'unix-external', severity: 'blocks', fd: 0 }]);
  });

  test('opens nothing that it does not close', async () => {
    await using provoked = await provoke({ program: '' });
    await look(provoked.pid);
    const before = Object.keys(fdsOf('self')).length;
    await look(provoked.pid);
    expect(Object.keys(fdsOf('self')).length).toBe(before);
  });

  test('survives processes that come and go meanwhile', async () => {
    const churn =
      'import os,time\nif os.fork()==0:\n  end=time.time()+5\n  while time.time()<end:\n    p=os.fork()\n    if p==0: os._exit(0)\n    os.waitpid(p,0)\n  wait()';
    await using provoked = await provoke({ program: churn });
    for (let round = 0; round < 10; round += 1) expect(serious(await look(provoked.pid))).toEqual([]);
  });
});
