// The doctor with the real CRIUs, and a refusal that depends on time.

import { release } from 'node:os';
import { describe, expect } from 'vitest';
import { doctor } from '../../src/criu/doctor/doctor.js';
import { hasSoftDirty, isAtLeast, parseRelease } from '../../src/criu/doctor/kernel.js';
import { dump } from '../../src/criu/dump.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CheckpointError } from '../../src/errors/checkpoint-error.js';
import { CRIU_41, CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { fdsOf, taskOf } from '../helpers/procfs.js';
import { until } from '../helpers/until.js';
import { provoke } from './refused-targets.js';

describe('doctor() with a real CRIU', () => {
  testWith([CRIU_42.here], 'says which CRIU, why, its version and its features', async () => {
    const { criu, kernel, findings } = await doctor({ criu: CRIU_42.path });
    expect(criu).toMatchObject({
      path: CRIU_42.path,
      from: 'option',
      works: true,
      version: expect.stringMatching(/^4\.[2-9]/),
    });
    expect(kernel.userfaultfd).toBe(criu?.features?.lazyPages);
    expect(findings.find(({ id }) => id === 'criu')?.severity).toBe('ok');
  });

  testWith([CRIU_42.here], 'agrees with the kernel about soft-dirty', async () => {
    const { kernel } = await doctor({ criu: CRIU_42.path });
    expect(await hasSoftDirty()).toBe(kernel.softDirty);
  });

  testWith([CRIU_41.here], 'calls 4.1 too old exactly where it fails for inet sockets', async () => {
    const { criu, findings } = await doctor({ criu: CRIU_41.path });
    const broken = isAtLeast(parseRelease(release()), [6, 16]);
    expect(criu).toMatchObject({ works: !broken, version: expect.stringMatching(/^4\.1/) });
    expect(findings.some(({ id }) => id === 'criu-too-old')).toBe(broken);
  });

  testWith([CRIU_42.here], 'leaves no fd behind', async () => {
    await doctor({ criu: CRIU_42.path });
    const before = fdsOf('self');
    await doctor({ criu: CRIU_42.path });
    expect(Object.keys(fdsOf('self')).length).toBe(Object.keys(before).length);
  });
});

describe('a task in state D', () => {
  testWith([CRIU_42.here], 'is named by the doctor, and by the dump that could not stop it', async () => {
    const CLONE_VFORK = 0x4000;
    const vfork = `import ctypes,os\nif os.fork()==0:\n  ctypes.CDLL(None).syscall(56,${CLONE_VFORK}|17,0,0,0,0)\n  wait()`;
    await using provoked = await provoke({ program: vfork });
    const predicted = await until('a task is in state D', async () =>
      (await doctor({ pid: provoked.pid, criu: CRIU_42.path })).findings.find(({ id }) => id === 'task-unseizable'),
    );
    const to = imagesDirectory(provoked.dir.folder('images'));
    const failure: unknown = await dump(provoked.pid, { to, criu: CRIU_42.path, timeoutSeconds: 1 }).done.catch(
      (e: unknown) => e,
    );
    if (!CheckpointError.is(failure, 'DUMP_REFUSED')) throw failure;
    expect(failure.detail.causes[0]).toMatchObject({ rule: 'task-unseizable', pid: predicted.pid });
    expect(taskOf(provoked.pid)?.state).toMatch(/[SR]/);
  });
});
