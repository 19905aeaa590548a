// A program that runs one verb, for tests in which the process that runs it dies or stands on a terminal. Its only argument is a
// Task in JSON. It prints a line of JSON for each thing that happens, and at `holdAt` waits to be killed.

import { type DumpCall, dump } from '../../src/criu/dump.js';
import { type RestoreCall, restore } from '../../src/criu/restore.js';
import { imagesDirectory } from '../../src/criu/target.js';
import type { Notification, Verdict } from '../../src/rpc/session.js';

export type Task = {
  readonly images: string;
  /** A notification that is never answered, or `pages`: the first progress with bytes in it. */
  readonly holdAt?: string;
} & (
  | { readonly verb: 'dump'; readonly pid: number; readonly options: Omit<DumpCall, 'to' | 'notify' | 'signal'> }
  | { readonly verb: 'restore'; readonly options: Omit<RestoreCall, 'notify' | 'signal'> }
);

export type Event =
  | { readonly event: 'notification' | 'held'; readonly kind: string }
  | { readonly event: 'done'; readonly pid: number }
  | { readonly event: 'exited'; readonly status: unknown }
  | { readonly event: 'failed'; readonly message: string };

const task = JSON.parse(process.argv[2] ?? '') as Task;

function tell(event: Event): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

async function notify(notification: Notification): Promise<Verdict> {
  tell({ event: 'notification', kind: notification.kind });
  if (notification.kind === task.holdAt) await holdForEver(notification.kind);
  return { kind: 'proceed' };
}

async function holdForEver(kind: string): Promise<never> {
  tell({ event: 'held', kind });
  const alive = setInterval(() => {}, 1000);
  await new Promise(() => {});
  clearInterval(alive);
  throw new Error('unreachable');
}

try {
  if (task.verb === 'dump') {
    const work = dump(task.pid, { to: imagesDirectory(task.images), notify, ...task.options });
    for await (const { bytes } of work) {
      // Told once; from then on whoever reads us may kill us in the middle of the pages.
      if (bytes > 0 && task.holdAt === 'pages') tell({ event: 'held', kind: 'pages' });
    }
    tell({ event: 'done', pid: (await work.done).pid });
  } else {
    const tree = await restore(imagesDirectory(task.images), { notify, ...task.options }).done;
    tell({ event: 'done', pid: tree.pid });
    tell({ event: 'exited', status: await tree.exited });
  }
} catch (reason) {
  tell({ event: 'failed', message: reason instanceof Error ? reason.message : String(reason) });
  process.exitCode = 1;
}
