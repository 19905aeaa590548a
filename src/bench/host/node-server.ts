/** The HTTP server of `restore/node-server` as an object with a lifetime: it outlives the death of its process, as a `Target` does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import { PACKAGE_ROOT } from './tools.js';

export interface NodeServerOptions {
  /** Does not exist yet; the server says there where it listens. */
  readonly said: string;
  readonly sizeBytes: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

const PROGRAM = join(PACKAGE_ROOT, 'dist/bench/drivers/node-server.js');
const PATIENCE_MS = 30_000;
const POLL_MS = 10;
// Between two attempts of a client; each costs it a tenth of a millisecond.
const AGAIN_MS = 2;

export class NodeServer implements AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly digest: string;

  /** Resolves when it has said where it listens. Throws FEATURE_MISSING in a checkout that is not built, TIMEOUT. */
  static async start({ said, sizeBytes, seed, signal }: NodeServerOptions): Promise<NodeServer> {
    if (!existsSync(PROGRAM)) {
      const message = `Cannot start the server to restore: "${PROGRAM}" is missing. Run "npm run build"`;
      throw new CheckpointError('FEATURE_MISSING', message, { feature: 'dist' });
    }
    const argv = [PROGRAM, said, String(sizeBytes), String(seed)];
    // Its own session with stdio on /dev/null: nothing of ours is in the dump.
    const child = spawn(process.execPath, argv, { detached: true, stdio: 'ignore' });
    try {
      await until(() => existsSync(said), { waitingFor: 'the server to listen', signal });
      return new NodeServer(child, JSON.parse(await readFile(said, 'utf8')));
    } catch (reason) {
      child.kill('SIGKILL');
      throw reason;
    }
  }

  private constructor({ pid }: ChildProcess, { port, digest }: { readonly port: number; readonly digest: string }) {
    if (pid === undefined)
      throw new CheckpointError('IO', 'Cannot start the server to restore: Node cannot be run', {});
    this.pid = pid;
    this.port = port;
    this.digest = digest;
  }

  /** Resolves when no process holds its pid any more. */
  freed(signal?: AbortSignal): Promise<void> {
    return until(() => !existsSync(`/proc/${this.pid}`), { waitingFor: 'the zombie of the server', signal });
  }

  /** Asks until there is a whole answer; resolves with the moment, CLOCK_REALTIME in microseconds. */
  async firstAnswer(signal: AbortSignal): Promise<number> {
    for (;;) {
      const answer = await this.#ask('/', signal);
      if (answer !== undefined) return (performance.timeOrigin + performance.now()) * 1000;
      await delay(AGAIN_MS, undefined, { signal });
    }
  }

  /** Of all that it holds, now; touches all of it. */
  async digestNow(signal: AbortSignal): Promise<string | undefined> {
    const answer: unknown = JSON.parse((await this.#ask('/digest', signal)) ?? '{}');
    return typeof answer === 'object' && answer !== null && 'digest' in answer ? String(answer.digest) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch {
      // It has ended, or was never restored.
    }
    await this.freed();
  }

  /** `undefined` while nobody listens, or who listened has ended. */
  #ask(path: string, signal: AbortSignal): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: this.port, path, agent: false, signal }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve(body)).on('error', () => resolve(undefined));
      });
      asked.on('error', () => (signal.aborted ? reject(signal.reason) : resolve(undefined)));
      asked.end();
    });
  }
}

interface Waiting {
  readonly waitingFor: string;
  readonly signal: AbortSignal | undefined;
}

async function until(there: () => boolean, { waitingFor, signal }: Waiting): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  while (!there()) {
    signal?.throwIfAborted();
    if (patience.aborted) {
      const detail = { timeoutMs: PATIENCE_MS, waitingFor };
      throw new CheckpointError('TIMEOUT', `Cannot go on with the benchmark: waited in vain for ${waitingFor}`, detail);
    }
    await delay(POLL_MS);
  }
}
