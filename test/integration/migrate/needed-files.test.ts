// What the source asks for and what the destination says to it, on files of this process.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { preflight } from '../../../src/migrate/destination/preflight.js';
import { neededFiles } from '../../../src/migrate/source/needed-files.js';
import type { HostFacts } from '../../../src/migrate/wire/facts.js';
import { PROTOCOL_VERSION } from '../../../src/migrate/wire/messages.js';
import { tempDir } from '../../helpers/temp-dir.js';

async function asked(facts: Partial<HostFacts>): Promise<string | undefined> {
  const all = { criu: '4.0', cpuinfo: undefined, namespaces: [], files: [], ...facts };
  const hello = { id: '0'.repeat(32), pid: 1, tasks: [], bytes: 0, maxBytes: 0, streams: 1, leaves: false };
  return preflight(
    {
      type: 'hello',
      container: undefined,
      version: PROTOCOL_VERSION,
      ...hello,
      kernel: '9.9',
      machine: arch(),
      facts: all,
    },
    { criu: undefined, signal: new AbortController().signal },
  );
}

describe('neededFiles()', () => {
  it('names what is open, mapped and stood in, with the size of what nobody writes', async () => {
    await using dir = tempDir();
    const [read, written, deleted] = ['read', 'written', 'deleted'].map((name) => join(dir.path, name));
    for (const path of [read, written, deleted]) writeFileSync(path ?? '', 'four');
    const fds = [openSync(read ?? '', 'r'), openSync(written ?? '', 'a'), openSync(deleted ?? '', 'r')];
    const status = openSync('/proc/self/status', 'r');
    rmSync(deleted ?? '');
    const files = await neededFiles([process.pid]);
    for (const fd of [...fds, status]) closeSync(fd);
    expect(files).toContainEqual({ path: read, kind: 'file', size: 4 });
    expect(files).toContainEqual({ path: written, kind: 'file', size: undefined });
    expect(files).toContainEqual({ path: process.cwd(), kind: 'directory', size: undefined });
    expect(files.map(({ path }) => path)).toContain(process.execPath);
    expect(files.filter(({ path }) => path.includes('deleted') || path.startsWith('/proc/'))).toEqual([]);
  });

  it('asks for nothing of a task that has ended', async () => {
    expect(await neededFiles([2 ** 22])).toEqual([]);
  });
});

describe('preflight()', () => {
  it('says what of them is not here, or is something else', async () => {
    await using dir = tempDir();
    const at = (name: string): string => join(dir.path, name);
    mkdirSync(at('folder'));
    writeFileSync(at('file'), 'four');
    execFileSync('mkfifo', [at('fifo')]);
    const file = (name: string, kind: 'file' | 'directory' | 'fifo', size?: number) =>
      asked({ files: [{ path: at(name), kind, size }] });
    expect(await file('file', 'file', 4)).toBeUndefined();
    expect(await file('file', 'file')).toBeUndefined();
    expect(await file('fifo', 'fifo')).toBeUndefined();
    expect(await file('folder', 'directory')).toBeUndefined();
    expect(await file('gone', 'fifo')).toBe(`the tree needs the fifo "${at('gone')}", which is not here`);
    expect(await file('file', 'directory')).toBe(
      `"${at('file')}" is not a directory here, as it is where the tree runs`,
    );
    expect(await file('file', 'file', 5)).toBe(`"${at('file')}" has 4 bytes here, and 5 where the tree runs`);
  });

  it('says which namespaces this kernel lacks', async () => {
    expect(await asked({ namespaces: ['mnt', 'pid_for_children', 'later_for_children'] })).toBeUndefined();
    expect(await asked({ namespaces: ['mnt', 'later'] })).toMatch(
      /^the kernel here \(.+\) has no later namespaces, the one of the source \(9\.9\) has$/,
    );
  });
});
