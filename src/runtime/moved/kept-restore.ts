// The copy of a container, as its receiver has it: restoreHeld() in the keeper (keeper.ts), a program that lives on when the receiver is killed.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { adoptTree, killTree, type Tree } from '../../criu/tree.js';
import { CheckpointError, ERROR_CODES } from '../../errors/checkpoint-error.js';
import { type Copy, deferred, type Held } from '../../migrate/destination/copy.js';
import { forget, type RestorePlan } from './held-restore.js';
import { type ToKeeper, type ToReceiver, wordsIn } from './keeper-words.js';

export interface Keeper {
  /** What is to be taken away when this process ends without having said goodbye. */
  made(paths: readonly string[]): void;
  /** As restoreHeld(). Its `held.criu` is the keeper's: that of which the end tells that there is an outcome. */
  restore(plan: RestorePlan): Promise<Copy>;
  /** Nothing is left to it. Resolves when it has ended. */
  bye(): Promise<void>;
}

// src/ and dist/ lie equally deep; the program is JavaScript in any case.
const PROGRAM = fileURLToPath(new URL('../../../dist/runtime/moved/keeper.js', import.meta.url));

/** Starts one in a session of its own, so that what ends us does not end it. */
export function startKeeper(): Keeper {
  const child = spawn(process.execPath, [PROGRAM], { detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve()).once('exit', () => resolve());
  });
  child.stdin.on('error', () => {});
  const say = (word: ToKeeper): void => void child.stdin.write(`${JSON.stringify(word)}\n`);
  return {
    made: (paths) => say({ kind: 'made', paths }),
    restore: (plan) => restoreKept(plan, { say, heard: wordsIn<ToReceiver>(child.stdout), ended }),
    async bye() {
      say({ kind: 'bye' });
      child.stdin.end();
      await ended;
    },
  };
}

interface Line {
  say(word: ToKeeper): void;
  readonly heard: AsyncIterable<ToReceiver>;
  readonly ended: Promise<void>;
}

async function restoreKept(plan: RestorePlan, { say, heard, ended }: Line): Promise<Copy> {
  const started = deferred<void>();
  const held = deferred<Held>();
  const running = deferred<Tree>();
  const removed = deferred<void>();
  let root: number | undefined;
  // It is known what became of the copy: the keeper may end.
  let settled = false;
  const hear = (word: ToReceiver): void => {
    settled ||= word.kind === 'running' || word.kind === 'removed' || word.kind === 'failed';
    if (word.kind === 'started') started.resolve();
    else if (word.kind === 'removed') removed.resolve();
    else if (word.kind === 'running') running.resolve(adoptTree({ pid: word.pid, child: false, terminal: undefined }));
    else if (word.kind === 'failed') fail(failureOf(word));
    else {
      root = word.held.root;
      held.resolve(word.held);
    }
  };
  const fail = (why: CheckpointError): void => {
    for (const each of [started, held, running]) each.reject(why);
    removed.resolve();
  };
  const listen = async (): Promise<void> => {
    for await (const word of heard) hear(word);
    await ended;
    if (settled) return;
    // Its CRIU has lost its client, and takes away what it has not let go.
    if (root !== undefined) await killTree(root);
    await forget(plan);
    fail(new CheckpointError('IO', 'Cannot restore the container: its keeper was killed', {}));
  };
  void listen().catch(() => fail(new CheckpointError('PROTOCOL', 'Cannot read what the keeper says', {})));
  say({ kind: 'restore', plan });
  await started.promise;
  return {
    begin: (inventory) => say({ kind: 'begin', inventory: Buffer.from(inventory).toString('base64') }),
    held: held.promise,
    resume() {
      say({ kind: 'resume' });
      return running.promise;
    },
    remove() {
      say({ kind: 'remove' });
      return removed.promise;
    },
  };
}

// One of the codes as a program has told it; its detail is for people.
function failureOf({ code, message, detail }: Extract<ToReceiver, { kind: 'failed' }>): CheckpointError {
  const known = ERROR_CODES.find((each) => each === code) ?? 'IO';
  return new CheckpointError(known, message, detail as CheckpointError['detail']);
}
