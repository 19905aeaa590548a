/** What a figure depends on besides the code: recorded with every series, because a number without its machine says nothing. */
import { execFile } from 'node:child_process';
import { readFile, realpath, statfs } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasSoftDirty } from '../../criu/doctor/kernel.js';
import { locate } from '../../criu/locate.js';
import type { Environment } from '../model.js';
import { PACKAGE_ROOT } from './tools.js';

export interface Host {
  readonly criuPath: string;
  readonly criuVersion: string;
  /** The kernel tells which pages were written. */
  readonly softDirty: boolean;
}

/** The CRIU that every peer uses. Throws CRIU_MISSING. */
export async function findHost(criu: string | undefined): Promise<Host> {
  const { path } = await locate({ criu });
  const { stdout } = await promisify(execFile)(path, ['--version']);
  return {
    criuPath: path,
    criuVersion: /Version:\s*(\S+)/.exec(stdout)?.[1] ?? 'unknown',
    softDirty: await hasSoftDirty(),
  };
}

export async function describeEnvironment(host: Host, destinationPath: string): Promise<Environment> {
  const commit = await revision(PACKAGE_ROOT);
  const [first] = cpus();
  return {
    frazilVersion: await packageVersion(),
    ...(commit === undefined ? {} : { commit }),
    kernel: release(),
    architecture: process.arch,
    cpuModel: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    virtualization: await virtualization(),
    transparentHugepages: await transparentHugepages(),
    nodeVersion: process.version,
    criuVersion: host.criuVersion,
    criuPath: host.criuPath,
    destinationPath,
    destinationFilesystem: await filesystem(destinationPath),
    loadAverage: loadavg()[0] ?? 0,
  };
}

async function packageVersion(): Promise<string> {
  const parsed: unknown = JSON.parse(await readFile(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

/** Commit of a checkout, `-dirty` where files differ; absent in an installed package. */
export async function revision(root: string): Promise<string | undefined> {
  try {
    // A package in somebody's node_modules lies in *their* repository, whose commit says nothing of us.
    const top = (await git(root, ['rev-parse', '--show-toplevel'])).trim();
    if ((await realpath(top)) !== (await realpath(root))) return undefined;
    return (await git(root, ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'])).trim();
  } catch {
    return undefined; // no git, or no checkout
  }
}

async function git(root: string, argv: readonly string[]): Promise<string> {
  return (await promisify(execFile)('git', ['-C', root, ...argv])).stdout;
}

async function virtualization(): Promise<string> {
  const cpuinfo = await readFile('/proc/cpuinfo', 'utf8');
  if (!/^flags\s*:.*\bhypervisor\b/m.test(cpuinfo)) return 'none seen';
  const product = await readFile('/sys/class/dmi/id/product_name', 'utf8').catch(() => 'unknown');
  return `virtual machine (${product.trim()})`;
}

async function transparentHugepages(): Promise<string> {
  const text = await readFile('/sys/kernel/mm/transparent_hugepage/enabled', 'utf8').catch(() => '');
  return /\[(\w+)\]/.exec(text)?.[1] ?? 'absent';
}

// The mount with the longest mount point that is a prefix of the path; later mounts cover earlier ones.
async function filesystem(path: string): Promise<string> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  let best = { point: '', kind: 'unknown' };
  for (const [, point = '', kind = ''] of mounts) {
    const covers = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`);
    if (covers && point.length >= best.point.length) best = { point, kind };
  }
  const { type } = await statfs(path);
  return best.kind === 'unknown' ? `0x${type.toString(16)}` : best.kind;
}
