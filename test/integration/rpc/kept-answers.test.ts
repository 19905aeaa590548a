import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { spawn, waitChild } from '../../../src/addon/children.js';
import { ADDON } from '../../../src/addon/load.js';
import { keptAnswers } from '../../../src/rpc/kept-answers.js';
import { CRIUS } from '../../helpers/criu-cli.js';
import { testWith } from '../../helpers/needs.js';
import { tempDir } from '../../helpers/temp-dir.js';

const library = join(ADDON, '../frazil-answers.so');
const FOLDER = `.frazil-answers-${process.geteuid?.()}-${/\d+/.exec(readlinkSync('/proc/self/ns/mnt'))?.[0]}`;
/** No tmpfs on any machine. */
const NO_TMPFS = '/proc';

async function run(argv: readonly string[], moreEnv: readonly string[]): Promise<void> {
  const [file = ''] = argv;
  const child = spawn({ file, argv, moreEnv, fds: [], newProcessGroup: false });
  await waitChild(child.pidfd).done;
  child.pidfd.close();
}

describe('keptAnswers()', () => {
  const preloaded = process.env['LD_PRELOAD'];
  afterEach(() => {
    if (preloaded === undefined) delete process.env['LD_PRELOAD'];
    else process.env['LD_PRELOAD'] = preloaded;
  });

  it('makes a folder that nobody else may enter, and finds it again', async () => {
    delete process.env['LD_PRELOAD'];
    await using dir = tempDir('tmpfs');
    const places = { run: NO_TMPFS, shared: dir.path, library };
    const folder = join(dir.path, FOLDER);
    for (let i = 0; i < 2; i++)
      expect(keptAnswers(places)).toEqual([`LD_PRELOAD=${library}`, `FRAZIL_ANSWERS=${folder}`]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it('does nothing where CRIU keeps them itself, where no tmpfs is, without the library, and beside another', async () => {
    delete process.env['LD_PRELOAD'];
    await using dir = tempDir('tmpfs');
    const places = { run: NO_TMPFS, shared: dir.path, library };
    expect(keptAnswers({ ...places, run: dir.path })).toEqual([]);
    expect(keptAnswers({ ...places, shared: '/proc' })).toEqual([]);
    expect(keptAnswers({ ...places, library: `${library}.none` })).toEqual([]);
    process.env['LD_PRELOAD'] = 'libother.so';
    expect(keptAnswers(places)).toEqual([]);
    expect(readdirSync(dir.path)).toEqual([]);
  });

  it.each(['with a space', 'with:colon', 'with$ORIGIN'])('does not use a library in a folder "%s"', async (name) => {
    delete process.env['LD_PRELOAD'];
    await using dir = tempDir('tmpfs');
    const copy = join(dir.path, name, 'frazil-answers.so');
    cpSync(library, copy);
    expect(keptAnswers({ run: NO_TMPFS, shared: dir.path, library: copy })).toEqual([]);
  });

  it('does not use a place in which others may put another folder there', async () => {
    delete process.env['LD_PRELOAD'];
    await using dir = tempDir('tmpfs');
    const places = { run: NO_TMPFS, shared: dir.path, library };
    chmodSync(dir.path, 0o777);
    expect(keptAnswers(places)).toEqual([]);
    chmodSync(dir.path, 0o1777);
    expect(keptAnswers(places)).not.toEqual([]);
  });

  it.each([
    ['others may write to', (path: string) => mkdirSync(path, { mode: 0o700 }), 0o777],
    ['others may read', (path: string) => mkdirSync(path, { mode: 0o700 }), 0o755],
    ['is a link', (path: string) => symlinkSync('.', path), 0o700],
    ['is a file', (path: string) => writeFileSync(path, ''), 0o700],
  ])('does not use a folder that %s', async (_, prepare, mode) => {
    delete process.env['LD_PRELOAD'];
    await using dir = tempDir('tmpfs');
    prepare(join(dir.path, FOLDER));
    chmodSync(join(dir.path, FOLDER), mode);
    expect(keptAnswers({ run: NO_TMPFS, shared: dir.path, library })).toEqual([]);
  });

  it('leads those two paths alone elsewhere, and what the program starts is as it would be without', async () => {
    delete process.env['LD_PRELOAD'];
    await using dir = tempDir('tmpfs');
    const env = keptAnswers({ run: NO_TMPFS, shared: dir.path, library });
    const script = `echo one > /run/criu.kdat; echo "\${LD_PRELOAD-none}" > ${dir.path}/seen; env | grep FRAZIL_ANSWERS >> ${dir.path}/seen`;
    await run(['/bin/sh', '-c', script], env);
    expect(readFileSync(join(dir.path, FOLDER, 'criu.kdat'), 'utf8')).toBe('one\n');
    expect(readFileSync(join(dir.path, 'seen'), 'utf8')).toBe('none\n');
  });
});

describe.each(CRIUS)('criu $name', (criu) => {
  testWith(
    [criu.here],
    'keeps its answers there, reads them, and writes others for those of another CRIU',
    async () => {
      await using dir = tempDir('tmpfs');
      const env = keptAnswers({ run: NO_TMPFS, shared: dir.path, library });
      const kept = join(dir.path, FOLDER, 'criu.kdat');
      const log = join(dir.path, 'check.log');
      const check = async (): Promise<string> => {
        await run([criu.path, 'check', '-v4', '-o', log], env);
        return readFileSync(log, 'utf8');
      };
      expect(await check()).not.toContain('Loaded kdat cache');
      const first = readFileSync(kept);
      expect(await check()).toContain('Loaded kdat cache');
      writeFileSync(kept, Buffer.alloc(first.length, 7));
      expect(await check()).toContain('Stale');
      // Two magic numbers; behind them are addresses, which differ each time.
      expect(readFileSync(kept).subarray(0, 8)).toEqual(first.subarray(0, 8));
      expect(readFileSync(kept)).toHaveLength(first.length);
      expect(readdirSync(join(dir.path, FOLDER))).toEqual(['criu.kdat']);
    },
  );
});
