import { describe, expect, it } from 'vitest';
import { spawn, waitChild } from '../../../src/addon/children.js';

const shell = (script: string) =>
  spawn({ file: '/bin/sh', argv: ['sh', '-c', script], env: ['PATH=/usr/bin:/bin'], fds: [], newProcessGroup: false });

describe('spawn() and waitChild()', () => {
  it('give the exit code', async () => {
    const { pid, pidfd } = shell('exit 7');
    expect(pid).toBeGreaterThan(0);
    expect(await waitChild(pidfd).done).toEqual({ kind: 'exited', code: 7 });
    pidfd.close();
  });
});
