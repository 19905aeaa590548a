// Tests that need something of the machine. What is missing is a skip that says so and is counted; where CI=true claims that
// the machine has everything, it is a failure, unless no machine with this kernel could have it.

import { afterAll, type TestContext, test } from 'vitest';

export interface Need {
  /** A sentence's end: "needs a CRIU that restores on this kernel". */
  readonly what: string;
  /** Why it is not there; undefined when it is. */
  readonly missing: string | undefined;
  /** Nobody can provide it on this kernel. */
  readonly impossible: boolean;
}

const skipped = new Map<string, number>();
let ran = 0;

afterAll(() => {
  if (skipped.size === 0) return;
  const reasons = [...skipped].map(([reason, count]) => `${count}: ${reason}`).join('; ');
  const total = [...skipped.values()].reduce((sum, count) => sum + count, 0);
  process.stdout.write(`${ran} run, ${total} skipped (${reasons})\n`);
});

/** test(), run only if every need is there. */
export function testWith(needs: readonly Need[], title: string, body: (context: TestContext) => Promise<void>): void {
  const lacking = needs.find((need) => need.missing !== undefined);
  if (lacking === undefined) {
    test(title, (context) => {
      ran += 1;
      return body(context);
    });
    return;
  }
  const reason = `needs ${lacking.what}: ${lacking.missing}`;
  test(title, (context) => {
    if (process.env['CI'] === 'true' && !lacking.impossible) throw new Error(`Cannot skip in CI: this test ${reason}`);
    skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
    context.skip(reason);
  });
}

export function need(what: string, missing: string | undefined | false): Need {
  return { what, missing: missing === false ? undefined : missing, impossible: false };
}

/** A need that this kernel rules out. */
export function impossible(what: string, why: string | undefined): Need {
  return { what, missing: why, impossible: true };
}
