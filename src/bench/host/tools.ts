/**
 * The harness's own programs (native/bench/*.c), compiled by the host's compiler at first use into `$FRAZIL_HOME/bench/<hash>`.
 * Not part of the addon: they are processes of their own, and a package that is installed but never benchmarked should not build them.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { frazilHome } from '../../criu/locate.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';

export interface Tools {
  /** The tree that is dumped. */
  readonly target: string;
  /** Reads a task's memory back out of image files. */
  readonly verify: string;
  /** Runs a command and says what it cost. */
  readonly run: string;
  /** `criu swrk` driven by hand. */
  readonly version: string;
  /** A link with a rate and a delay between two network namespaces. */
  readonly link: string;
  /** One file over TCP. */
  readonly carry: string;
}

/** The package's root, from `src/bench/host` and from `dist/bench/host` alike. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const NAMES = ['target', 'verify', 'run', 'version', 'link', 'carry'] as const satisfies readonly (keyof Tools)[];
const FLAGS = ['-O2', '-std=gnu11', '-pthread'];

export interface ToolsOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

/** Compiles what is not there yet. Throws FEATURE_MISSING where there is no C compiler. Two callers at once are safe. */
export async function prepareTools({ env = process.env, signal }: ToolsOptions = {}): Promise<Tools> {
  signal?.throwIfAborted();
  const sources = join(PACKAGE_ROOT, 'native/bench');
  const compiler = env['CC'] ?? 'cc';
  const home = join(frazilHome(env), 'bench');
  const place = join(home, await fingerprint(sources, compiler));
  if (!(await exists(join(place, 'version')))) await compile({ sources, compiler, home, place, signal });
  return {
    target: join(place, 'target'),
    verify: join(place, 'verify'),
    run: join(place, 'run'),
    version: join(place, 'version'),
    link: join(place, 'link'),
    carry: join(place, 'carry'),
  };
}

async function fingerprint(sources: string, compiler: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([compiler, process.arch, FLAGS]));
  for (const name of (await readdir(sources)).sort()) hash.update(name).update(await readFile(join(sources, name)));
  return hash.digest('hex').slice(0, 16);
}

interface Compilation {
  readonly sources: string;
  readonly compiler: string;
  readonly home: string;
  readonly place: string;
  readonly signal: AbortSignal | undefined;
}

// Compiled beside the place and renamed into it: who finds the place finds all programs, whole.
async function compile({ sources, compiler, home, place, signal }: Compilation): Promise<void> {
  await mkdir(home, { recursive: true });
  const draft = await mkdtemp(join(home, 'draft-'));
  try {
    for (const name of NAMES) {
      const argv = [...FLAGS, '-o', join(draft, name), join(sources, `${name}.c`)];
      await promisify(execFile)(compiler, argv, signal === undefined ? {} : { signal });
    }
    // Somebody else was faster: theirs is the same.
    await rename(draft, place).catch(async (reason: unknown) => {
      if (!(await exists(join(place, 'version')))) throw reason;
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new CheckpointError(
      'FEATURE_MISSING',
      `Cannot compile the benchmark's programs: "${compiler}" failed on ${sources}. Install a C compiler (apt-get install gcc libc6-dev) or name one in CC`,
      { feature: 'C compiler' },
      { cause },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
