// Four tiers (house-style.md section 9). e2e needs root and a CRIU; softdirty needs the lab's guest kernel.
import { defineConfig } from 'vitest/config';

const tier = (name, extra = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], pool: 'forks', testTimeout: 20_000, ...extra },
});

export default defineConfig({
  test: {
    projects: [
      tier('unit'),
      tier('integration', { testTimeout: 30_000 }),
      // One tree at a time: CRIU restores exact pids, and the machine has two cores. Kernels, CRIU and engines that are not ours take part:
      // scripts/test names what passed at its second attempt only.
      tier('e2e', { testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false, retry: 1 }),
      tier('softdirty', {
        include: ['test/softdirty/**/*.test.ts', 'test/e2e/pre-dump.test.ts'],
        testTimeout: 300_000,
        hookTimeout: 300_000,
        fileParallelism: false,
        retry: 1,
      }),
    ],
  },
});
