// Fds that the tree shares with somebody outside of it: at restore the caller puts its own in their place.

import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { CRIUS } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { fdsOf } from '../helpers/procfs.js';
import { killTree, startTarget } from '../helpers/target.js';
import { tempDir } from '../helpers/temp-dir.js';
import { dumpTo, restoreFrom } from '../helpers/verbs.js';

describe.each(CRIUS)('with criu $name', (criu) => {
  testWith([criu.here], 'a file is replaced by another, also when the old one is gone', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    const [old, fresh] = [join(dir.path, 'old.log'), join(dir.path, 'new.log')];
    const out = openSync(old, 'w');
    await using target = await startTarget('memory', [control, '1', '1', '0'], {
      control,
      stdio: ['ignore', out, 'ignore'],
    });
    closeSync(out);
    await target.ask('say before');
    await dumpTo(images, target, { criu: criu.path });
    expect(readFileSync(old, 'utf8')).toBe('before\n');
    // It would be refused as it is: a file that has grown since the dump.
    writeFileSync(old, 'before\nand something else\n');
    const replacement = openSync(fresh, 'w');
    const inheritFd = [{ fd: replacement, key: old.slice(1) }];
    const tree = await restoreFrom(images, { criu: criu.path, inheritFd });
    closeSync(replacement);
    await target.ask('say after');
    expect(readFileSync(fresh, 'utf8')).toBe('after\n');
    expect(fdsOf(target.pid)[1]).toBe(fresh);
    await killTree(target, tree);
  });

  testWith([criu.here], 'a pipe to somebody outside is replaced by a file', async () => {
    await using dir = tempDir();
    const control = join(dir.path, 'control');
    const images = dir.folder('images');
    const [reader, fresh] = [join(dir.path, 'reader'), join(dir.path, 'new')];
    await using target = await startTarget('memory', [control, '1', '1', '0'], {
      control,
      // A session of its own, or the reader would be in the tree's.
      through: ['bash', '-c', `setsid "$@" | cat >${reader}`, '-'],
    });
    await target.ask('say before');
    const pipe = fdsOf(target.pid)[1] ?? '';
    expect(pipe).toMatch(/^pipe:/);
    await dumpTo(images, target, { criu: criu.path });
    const replacement = openSync(fresh, 'w');
    const tree = await restoreFrom(images, { criu: criu.path, inheritFd: [{ fd: replacement, key: pipe }] });
    closeSync(replacement);
    await target.ask('say after');
    expect(readFileSync(fresh, 'utf8')).toBe('after\n');
    expect(existsSync(reader) && readFileSync(reader, 'utf8')).toBe('before\n');
    await killTree(target, tree);
  });
});
