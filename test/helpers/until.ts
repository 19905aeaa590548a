// Waiting for a condition, never for a time: the deadline only bounds a test that would otherwise hang.

import { setTimeout as pause } from 'node:timers/promises';

/** Long enough for an emulated guest under load; reaching it is a failure. */
const DEADLINE_MS = 60_000;
const LOOK_AGAIN_MS = 10;

/** Asks `condition` until it answers something other than undefined or false, and gives that back. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await condition();
    if (holds(answer)) return answer;
    if (performance.now() > end) throw new Error(`Waited in vain until ${what}`);
    await pause(LOOK_AGAIN_MS);
  }
}

function holds<T>(answer: T): answer is Exclude<T, undefined | false> {
  return answer !== undefined && answer !== false;
}
