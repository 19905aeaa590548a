// The command line without a process of its own: the same run() that dist/cli/main.js calls.

import { run } from '../../src/cli/run.js';

export interface CliRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Text is kept as bytes, one character each, as runCrit() does. */
export async function runCli(argv: readonly string[]): Promise<CliRun> {
  const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const sink = (name: keyof typeof written) => ({
    write: (piece: string | Uint8Array) => written[name].push(Buffer.from(piece as string)),
  });
  const status = await run(argv, {
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env: {},
    on: () => {},
    exit: () => {},
  });
  return {
    status,
    stdout: Buffer.concat(written.stdout).toString('latin1'),
    stderr: Buffer.concat(written.stderr).toString(),
  };
}
