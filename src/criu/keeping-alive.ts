// Jobs that nobody need wait for do not keep the program running; whoever does wait, does.

const LONG_MS = 2 ** 30;

/** Settles as `waited` does, and keeps the event loop alive until then. */
export async function keepingAlive<T>(waited: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, LONG_MS);
  try {
    return await waited;
  } finally {
    clearInterval(timer);
  }
}
