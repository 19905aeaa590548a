// Promise.all() opens all files before it reads the first: with thousands of tasks that is more fds than a process may have, and a
// file that cannot be opened looks like a task that has ended.

const FEW = 32;

/** As `Promise.all(items.map(use))`, with so many of them under way at most. */
export async function mapFew<T, R>(items: readonly T[], use: (item: T) => Promise<R>, few = FEW): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const work = async (): Promise<void> => {
    for (const [index, item] of entries) results[index] = await use(item);
  };
  await Promise.all(Array.from({ length: Math.min(few, items.length) }, work));
  return results;
}
