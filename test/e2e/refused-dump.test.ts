// Dumps that the real CRIU refuses on real processes: the error names the cause, the process runs on, the doctor had said so.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { doctor } from '../../src/criu/doctor/doctor.js';
import type { ChosenOptions, Finding } from '../../src/criu/doctor/finding.js';
import { dump } from '../../src/criu/dump.js';
import { imagesDirectory } from '../../src/criu/target.js';
import { CheckpointError, type RefusedDetail } from '../../src/errors/checkpoint-error.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { taskOf, treeOf } from '../helpers/procfs.js';
import { REFUSED, type RefusedCase } from './refused-cases.js';
import { type Provoked, provoke } from './refused-targets.js';

const criu = CRIU_42.path;

describe('a refused dump', () => {
  for (const refusal of REFUSED) {
    testWith(
      [CRIU_42.here],
      `names ${refusal.name}, leaves the tree running, and was predicted by the doctor`,
      async () => {
        await using provoked = await provoke(refusal);
        const predicted = await find(refusal, provoked.pid, refusal.options);
        const detail = await refuse(refusal, provoked);
        const [cause] = detail.causes;
        expect(cause?.rule).toBe(refusal.rule);
        expect(predicted?.severity).toBe('blocks');
        if (cause?.pid !== undefined) expect(treeOf(provoked.pid)).toContain(cause.pid);
        if (cause?.pid !== undefined) expect(predicted?.pid).toBe(cause.pid);
        expectPlace(refusal, provoked, [cause, predicted]);
        await expectHelp(refusal, provoked);
      },
    );
  }
});

async function refuse(refusal: RefusedCase, { pid, dir }: Provoked): Promise<RefusedDetail> {
  const to = imagesDirectory(dir.folder('refused'));
  const failure: unknown = await dump(pid, { to, criu, ...refusal.options }).done.catch((e: unknown) => e);
  if (!CheckpointError.is(failure, 'DUMP_REFUSED')) throw failure;
  const { detail, message } = failure;
  expect(message).toMatch(new RegExp(`^Cannot dump process ${pid}: .+ \\(${to.path}/dump\\.log:\\d+\\)\\. `));
  expect(detail).toMatchObject({ pid, imagesDir: to.path, logFile: `${to.path}/dump.log` });
  const line = detail.causes[0]?.line ?? 0;
  expect(readFileSync(detail.logFile ?? '', 'utf8').split('\n')[line - 1]).toBe(detail.causes[0]?.text);
  expect(existsSync(`${to.path}/inventory.img`)).toBe(false);
  expect(taskOf(pid)?.state).toMatch(/[SR]/);
  return detail;
}

async function find(
  { finding, rule }: RefusedCase,
  pid: number,
  options: ChosenOptions = {},
): Promise<Finding | undefined> {
  const { findings } = await doctor({ pid, options, criu });
  return findings.find(({ id }) => id === (finding ?? rule));
}

function expectPlace(
  { fd, path, optionFlag }: RefusedCase,
  { dir }: Provoked,
  named: readonly (Partial<Pick<Finding, 'fd' | 'path' | 'option' | 'remedy'>> | undefined)[],
): void {
  for (const each of named) {
    if (fd !== undefined) expect(each?.fd).toBe(fd);
    if (path !== undefined) expect(each?.path).toContain(path.replace('{dir}', dir.path));
    expect(each?.option?.flag).toBe(optionFlag ?? each?.option?.flag);
    expect(each?.remedy).toMatch(/\w/);
  }
}

/** With the option, the doctor is content and CRIU dumps. */
async function expectHelp(refusal: RefusedCase, { pid, dir }: Provoked): Promise<void> {
  if (refusal.helps === undefined) return;
  const after = await find(refusal, pid, refusal.helps);
  expect(after?.severity ?? 'ok').toBe('ok');
  const to = imagesDirectory(dir.folder('dumped'));
  const report = await dump(pid, { to, criu, leaveRunning: true, ...refusal.helps }).done;
  expect(report.pid).toBe(pid);
}

describe('a dump of nothing', () => {
  testWith([CRIU_42.here], 'is NO_SUCH_PROCESS, as for the doctor', async () => {
    const provoked = await provoke({ program: '' });
    await provoked[Symbol.asyncDispose]();
    const { pid } = provoked;
    await expect(doctor({ pid, criu })).rejects.toMatchObject({ code: 'NO_SUCH_PROCESS', detail: { pid } });
    const to = imagesDirectory(`${provoked.dir.path}-gone`);
    await expect(dump(pid, { to, criu }).done).rejects.toMatchObject({ code: 'NO_SUCH_PROCESS' });
  });
});

test('the table of refused dumps has at least twelve rows', () => {
  expect(new Set(REFUSED.map(({ rule }) => rule)).size).toBeGreaterThanOrEqual(12);
});
