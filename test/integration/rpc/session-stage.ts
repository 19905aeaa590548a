import { closeSync, openSync } from 'node:fs';
import { expect } from 'vitest';
import type { ExchangeOptions, Notification, Request, Session, Verdict } from '../../../src/rpc/session.js';
import type { CriuOpts } from '../../../src/schema/rpc.js';
import type { Need } from '../../helpers/needs.js';
import { taskOf, waitGone } from '../../helpers/procfs.js';
import { startProgram, type Target } from '../../helpers/target.js';
import { tempDir } from '../../helpers/temp-dir.js';
import { until } from '../../helpers/until.js';

export interface Subject {
  readonly title: string;
  readonly kind: Session['kind'];
  readonly needs: readonly Need[];
  open(): Promise<Session>;
  /** CRIU proper: it restores the very process. */
  readonly real: boolean;
  /** CHECK over libcriu crashes CRIU 4.1. */
  readonly checks: boolean;
}

export const PROCEED: Verdict = { kind: 'proceed' };
export const REFUSE: Verdict = { kind: 'refuse' };
export const STOPPED = ['t', 'T'];

export interface Stage extends AsyncDisposable {
  readonly target: Target;
  readonly images: string;
  readonly opts: CriuOpts;
}

/** A process to dump and a directory to dump it into. */
export async function stage(): Promise<Stage> {
  const dir = tempDir();
  const { target } = await startProgram(['sleep', '1000'], () => true);
  await until('the target runs its program', () => taskOf(target.pid)?.name === 'sleep');
  const fd = openSync(dir.path, 'r');
  const opts = {
    images_dir_fd: fd,
    notify_scripts: true,
    log_level: 4,
    log_file: 'dump.log',
    network_lock: 'NFTABLES',
  } as const;
  return {
    target,
    images: dir.path,
    opts: { ...opts, pid: target.pid },
    async [Symbol.asyncDispose]() {
      await target.kill();
      closeSync(fd);
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Records what CRIU asks, and answers `verdicts[script]` or proceeds. */
export function recorder(verdicts: Readonly<Record<string, Verdict>> = {}) {
  const asked: Notification[] = [];
  const notify = (notification: Notification): Verdict => {
    asked.push(notification);
    if (notification.kind === 'orphan-pts-master') notification.fd.close();
    return verdicts[notification.kind] ?? PROCEED;
  };
  return { asked, notify, scripts: () => asked.map(({ kind }) => kind) };
}

export async function settled<R extends Request>(subject: Subject, request: R, options?: ExchangeOptions) {
  await using session = await subject.open();
  return await session.exchange(request, options);
}

export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** What the target is, once CRIU has let go of it. */
export async function runsAgain(target: Target): Promise<void> {
  await until('the target runs on', () => taskOf(target.pid)?.state === 'S');
}

export async function dumpAndKill(subject: Subject, { opts, target }: Stage): Promise<void> {
  const answer = await settled(subject, { kind: 'DUMP', opts });
  expect(answer).toEqual({ kind: 'served', restored: false });
  await waitGone([target.pid]);
}

export type Check = (title: string, body: () => Promise<void>) => void;
