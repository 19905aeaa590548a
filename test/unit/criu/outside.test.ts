import { describe, expect, it } from 'vitest';
import { assertOutside } from '../../../src/criu/outside.js';

describe('assertOutside()', () => {
  it.each([
    ['this process', process.pid],
    ['its parent', process.ppid],
    ['the first of all', 1],
  ])('refuses %s', async (_, pid) => {
    await expect(assertOutside(pid, 'dump')).rejects.toMatchObject({ code: 'DUMP_REFUSED', detail: { pid } });
  });

  it('lets everything else pass, also what is not there', async () => {
    // Of the kernel's threads none is an ancestor of ours, and pids end below 2^22.
    await expect(assertOutside(2, 'dump')).resolves.toBeUndefined();
    await expect(assertOutside(2 ** 22, 'dump')).resolves.toBeUndefined();
  });
});
