// The program that has the runtime's restore of a container in its hands, in a session of its own. A runtime whose conversation with CRIU
// ends before it was answered takes its container away, or forgets it, although it may run already. So that conversation must not end
// with the receiver. It is held here: a receiver that was killed has left a decision, which is carried out, or none, and then nothing
// of the container stays. Whoever kills this program, too, takes away a copy that was let go a moment ago.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { Copy } from '../../migrate/destination/copy.js';
import { type CopyOutcome, OUTCOME } from '../../migrate/destination/guarded.js';
import { restoreHeld } from './held-restore.js';
import { type ToKeeper, type ToReceiver, wordsIn } from './keeper-words.js';

type Asked = Extract<ToKeeper, { kind: 'restore' }>['plan'];

interface Keeping {
  readonly copy: Promise<Copy>;
  readonly workDir: string;
  /** Resolves when it is known what became of the copy. */
  end?: Promise<CopyOutcome>;
}

async function main(): Promise<void> {
  let made: readonly string[] = [];
  let keeping: Keeping | undefined;
  for await (const word of wordsIn<ToKeeper>(process.stdin)) {
    if (word.kind === 'bye') return;
    if (word.kind === 'made') made = word.paths;
    else if (word.kind === 'restore') keeping = keep(word.plan);
    else if (keeping !== undefined) carryOut(keeping, word);
  }
  // The receiver has ended in the middle of it.
  const outcome = keeping === undefined ? 'gone' : await (keeping.end ?? removed(keeping));
  if (outcome === 'running') return;
  for (const path of made) await rm(path, { recursive: true, force: true });
}

function keep(plan: Asked): Keeping {
  const copy = restoreHeld(plan);
  copy.then(({ held }) => {
    tell({ kind: 'started' });
    held.then((at) => tell({ kind: 'held', held: { ...at, criu: process.pid } }), failed);
  }, failed);
  return { copy, workDir: plan.workDir };
}

function carryOut(keeping: Keeping, word: Exclude<ToKeeper, { kind: 'bye' | 'made' | 'restore' }>): void {
  if (word.kind === 'begin') void keeping.copy.then((copy) => copy.begin(Buffer.from(word.inventory, 'base64')));
  else keeping.end ??= word.kind === 'resume' ? resumed(keeping) : removed(keeping);
}

async function resumed({ copy, workDir }: Keeping): Promise<CopyOutcome> {
  try {
    const { pid } = await (await copy).resume();
    await note(workDir, 'running');
    tell({ kind: 'running', pid });
    return 'running';
  } catch (error) {
    await note(workDir, 'gone');
    failed(error);
    return 'gone';
  }
}

async function removed({ copy, workDir }: Keeping): Promise<CopyOutcome> {
  await copy.then((each) => each.remove()).catch(() => {});
  await note(workDir, 'gone');
  tell({ kind: 'removed' });
  return 'gone';
}

// The folder is not there any more when a receiver has been cleared up after before it had a copy.
async function note(workDir: string, outcome: CopyOutcome): Promise<void> {
  await writeFile(join(workDir, OUTCOME), outcome, { mode: 0o600 }).catch(() => {});
}

function failed(error: unknown): void {
  const { code, message, detail } = CheckpointError.is(error)
    ? error
    : { code: 'IO' as const, message: String(error), detail: {} };
  tell({ kind: 'failed', code, message, detail });
}

function tell(word: ToReceiver): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

// A receiver that was killed hears nothing.
process.stdout.on('error', () => {});
await main();
process.exit();
