// What keeps the tree stopped when CRIU lets go of it against our will: CRIU killed, our own process killed. While CRIU holds the tasks
// a SIGSTOP stays pending; a task that CRIU resumes stops before its next instruction. Set right before the destination may run its
// copy, and lifted with SIGCONT when it has none.

/** Sends `signal` to each task; one that has ended needs none. */
function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

export interface Fence {
  readonly pids: readonly number[];
  readonly set: boolean;
  raise(): void;
  /** After CRIU has let go. */
  lift(): void;
  /** Makes an end of tasks that CRIU has not killed. */
  kill(): void;
}

/** The tasks must be frozen by CRIU, so that none appears or ends meanwhile. */
export function openFence(pids: readonly number[]): Fence {
  let set = false;
  return {
    pids,
    get set() {
      return set;
    },
    raise() {
      signalAll(pids, 'SIGSTOP');
      set = true;
    },
    lift() {
      if (set) signalAll(pids, 'SIGCONT');
      set = false;
    },
    kill: () => signalAll(pids, 'SIGKILL'),
  };
}
