// Starts the process of a refused dump, and where the refusal comes from outside, the holder of the other end.

import { chmodSync } from 'node:fs';
import { python, startProgram, type Target, textOf } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import type { RefusedCase } from './refused-cases.js';

export interface Provoked extends AsyncDisposable {
  /** The root to dump. */
  readonly pid: number;
  readonly dir: TempDir;
  readonly target: Target;
}

const HOLDERS: Readonly<Record<NonNullable<RefusedCase['outside']>, string>> = {
  'no-session': 'child=start()',
  terminal: 'import pty\nmaster,slave=pty.openpty()\nchild=start(stdin=slave,start_new_session=True)',
  socketpair: 'import socket\nmine,its=socket.socketpair()\nchild=start(stdin=its,start_new_session=True)\nits.close()',
  ptrace: `child=start(start_new_session=True)
import ctypes
PTRACE_SEIZE=0x4206
assert ctypes.CDLL(None).ptrace(PTRACE_SEIZE,child.pid,None,None)==0`,
};

const WAIT = 'def wait():\n  import time\n  while True: time.sleep(1000)\n';

/** Runs the case's program and waits until it is as it should be. */
export async function provoke({ program, outside }: Pick<RefusedCase, 'program' | 'outside'>): Promise<Provoked> {
  const dir = tempDir();
  // One case gives up root before it says that it is ready.
  chmodSync(dir.path, 0o777);
  const body = `${WAIT}${program.replaceAll('{dir}', dir.path)}\nimport os\nopen("${dir.path}/inside","w").write(str(os.getpid()))\nwait()\n`;
  const script = outside === undefined ? body : holder(HOLDERS[outside], body, dir.path);
  const ready = `${dir.path}/${outside === undefined ? 'inside' : 'ready'}`;
  const started = await startProgram([python() ?? 'python3', '-c', script], () => {
    const text = textOf(ready);
    return text === '' ? undefined : text;
  });
  return {
    pid: Number(started.ready),
    dir,
    target: started.target,
    async [Symbol.asyncDispose]() {
      await started.target.kill();
      await dir[Symbol.asyncDispose]();
    },
  };
}

function holder(outside: string, body: string, dir: string): string {
  return `${WAIT}import os,subprocess,sys,time
def start(**given):
  quiet=dict(stdin=subprocess.DEVNULL,stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL)
  return subprocess.Popen([sys.executable,'-c',${JSON.stringify(body)}],**{**quiet,**given})
${outside}
while not os.path.exists("${dir}/inside"): time.sleep(0.01)
open("${dir}/ready","w").write(str(child.pid))
wait()
`;
}
