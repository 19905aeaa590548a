// Archives that Frazil makes of an images directory: read by GNU tar, bsdtar, zstd, lz4, gzip and age; restored by Frazil, and by criu from what
// tar has unpacked; not there when anything went wrong.

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { generateIdentity } from '../../src/archive/age/keys.js';
import { archive, type ReadOptions } from '../../src/archive/archive.js';
import { archiveStream, type CreateOptions, createArchive } from '../../src/archive/create/call.js';
import { extractArchive, listArchive, verifyArchive } from '../../src/archive/lazily.js';
import { restore } from '../../src/criu/restore.js';
import { archiver, archivers } from '../helpers/archivers.js';
import { CRIU_42, runCriu } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { killTree, startTarget, type Target } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { dumpTo } from '../helpers/verbs.js';
import { openFds } from '../integration/addon/open-fds.js';

const keys = generateKeyPairSync('ed25519');
const signingKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const publicKey = keys.publicKey.export({ format: 'pem', type: 'spki' }).toString();
const age = generateIdentity();

interface Dumped {
  readonly dir: TempDir;
  readonly images: string;
  readonly target: Target;
  readonly before: unknown;
}

async function dumped(dir: TempDir): Promise<Dumped> {
  const control = join(dir.path, 'control');
  const target = await startTarget('memory', [control, '8', '4', '3'], { control });
  const before = await target.ask('digest');
  const images = dir.folder('images');
  await dumpTo(images, target, {});
  return { dir, images, target, before };
}

const FORMS: ReadonlyArray<readonly [name: string, made: CreateOptions, read: ReadOptions]> = [
  ['a.tar', {}, {}],
  ['a.tar', { digests: false, sync: true }, {}],
  ['a.tar.zst', { level: 1, threads: 2 }, {}],
  ['a.tar.lz4', {}, {}],
  ['a.tar.gz', {}, {}],
  [
    'a.tar.zst.age',
    { recipients: [age.recipient], signingKey },
    { identities: [age.identity], requireEncryption: true, requireSignature: [publicKey] },
  ],
  ['a.tar.age', { passphrase: 'frozen water' }, { passphrase: 'frozen water', requireEncryption: true }],
];

for (const [name, made, read] of FORMS) {
  testWith([CRIU_42.here], `a tree comes back from ${name} ${JSON.stringify(Object.keys(made))}`, async () => {
    await using dir = tempDir();
    const { images, target, before } = await dumped(dir);
    await using _killed = target;
    const path = join(dir.path, name);
    const report = await createArchive(images, { to: path, ...made }).done;
    expect(statSync(path)).toMatchObject({ size: report.fileBytes, mode: 0o100600 });
    if (made.digests === false) expect(report.bytesUser).toBe(0);
    const verified = await verifyArchive(archive(path, read)).done;
    expect(verified).toMatchObject({ profile: 'neutral', sha256: report.sha256, encrypted: name.endsWith('.age') });
    await rm(images, { recursive: true });
    const tree = await restore(archive(path, read)).done;
    expect(await target.ask('digest')).toEqual(before);
    await killTree(target, tree);
  });
}

testWith([CRIU_42.here, archivers], 'GNU tar and bsdtar unpack what Frazil makes, and criu restores it', async () => {
  await using dir = tempDir();
  const { images, target, before } = await dumped(dir);
  await using _killed = target;
  const path = join(dir.path, 'a.tar');
  await createArchive(images, { to: path }).done;
  const { members } = await listArchive(archive(path)).done;
  const names = members.map(({ name, kind }) => (kind === 'directory' ? `${name}/` : name));
  const listed = (text: string): string[] => text.trimEnd().split('\n');
  expect(listed(execFileSync('tar', ['-tf', path], { encoding: 'utf8' }))).toEqual(names);
  expect(listed(archiver('bsdtar', ['-tf', path]).toString())).toEqual(names);
  const unpacked = [dir.folder('gnu'), dir.folder('bsd')] as const;
  execFileSync('tar', ['-C', unpacked[0], '-xf', path]);
  archiver('bsdtar', ['-C', unpacked[1], '-xf', path]);
  for (const folder of unpacked)
    for (const file of readdirSync(images).filter((one) => one.endsWith('.img')))
      expect(readFileSync(join(folder, 'checkpoint', file)).equals(readFileSync(join(images, file)))).toBe(true);
  await runCriu(CRIU_42, 'restore', join(unpacked[0], 'checkpoint'), ['-d']);
  expect(await target.ask('digest')).toEqual(before);
  await killTree(target);
});

/** Images that are none to CRIU, but to an archive. */
function madeUp(dir: TempDir): string {
  const images = dir.folder('images');
  writeFileSync(join(images, 'pstree.img'), PSTREE);
  writeFileSync(join(images, 'inventory.img'), 'inventory');
  writeFileSync(join(images, 'pages-1.img'), randomBytes(600_000));
  writeFileSync(join(images, 'pages-2.img'), Buffer.alloc(3 << 20));
  return images;
}
// One task with pid 7: magic, magic, length, { pid: 7, ppid: 0, pgid: 7, sid: 7, threads: [7] }.
const PSTREE = Buffer.from('19435654303027500a00000008071000180720072807', 'hex');

testWith([archivers], 'the programs of the codecs read what Frazil compresses, and Frazil what they do', async () => {
  await using dir = tempDir();
  const images = madeUp(dir);
  const plain = join(dir.path, 'a.tar');
  await createArchive(images, { to: plain }).done;
  const before = await verifyArchive(archive(plain)).done;
  const digests = (found: typeof before): unknown =>
    found.members.filter(({ name }) => name.endsWith('.img')).map(({ name, sha256 }) => [name, sha256]);
  const unpack = { zst: ['zstd', '-dc'], lz4: ['lz4', '-dc'], gz: ['gzip', '-dc'] } as const;
  for (const [suffix, [program, option]] of Object.entries(unpack)) {
    const path = `${plain}.${suffix}`;
    await createArchive(images, { to: path }).done;
    const tar =
      program === 'gzip'
        ? execFileSync('gzip', [option, path], { maxBuffer: 1 << 28 })
        : archiver(program, [option, path]);
    writeFileSync(join(dir.path, 'b.tar'), tar);
    expect(digests(await verifyArchive(archive(join(dir.path, 'b.tar'))).done)).toEqual(digests(before));
    const theirs =
      program === 'gzip'
        ? execFileSync('gzip', ['-c', plain], { maxBuffer: 1 << 28 })
        : archiver(program, ['-qc', plain]);
    writeFileSync(join(dir.path, 'c'), theirs);
    expect(digests(await verifyArchive(archive(join(dir.path, 'c'))).done)).toEqual(digests(before));
  }
});

testWith([archivers], 'age opens what Frazil encrypts, and Frazil what age does', async () => {
  await using dir = tempDir();
  const images = madeUp(dir);
  const keyFile = join(dir.path, 'key');
  archiver('age-keygen', ['-o', keyFile]);
  const recipient = archiver('age-keygen', ['-y', keyFile]).toString().trim();
  const identities = readFileSync(keyFile, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('AGE-'));
  const path = join(dir.path, 'a.tar.age');
  await createArchive(images, { to: path, recipients: [age.recipient, recipient] }).done;
  const plain = archiver('age', ['-d', '-i', keyFile, path]);
  writeFileSync(join(dir.path, 'a.tar'), plain);
  const { members } = await verifyArchive(archive(join(dir.path, 'a.tar'))).done;
  archiver('age', ['-e', '-r', recipient, '-o', join(dir.path, 'b.age'), join(dir.path, 'a.tar')]);
  const theirs = await verifyArchive(archive(join(dir.path, 'b.age'), { identities })).done;
  expect(theirs.members).toEqual(members);
  const locked = await listArchive(archive(path, { identities: [generateIdentity().identity] })).done.catch(String);
  expect(locked).toContain('was not among the keys given');
});

test('requireSignature and requireEncryption refuse what is not signed by those keys, or not encrypted', async () => {
  await using dir = tempDir();
  const images = madeUp(dir);
  const path = join(dir.path, 'a.tar');
  const refused = (read: ReadOptions): Promise<unknown> =>
    extractArchive(archive(path, read), join(dir.path, 'out')).done.catch((reason: unknown) => reason);
  await createArchive(images, { to: path }).done;
  expect(await refused({ requireSignature: [publicKey] })).toMatchObject({
    code: 'ARCHIVE_UNTRUSTED',
    detail: { demanded: 'signature' },
  });
  expect(await refused({ requireEncryption: true })).toMatchObject({
    code: 'ARCHIVE_UNTRUSTED',
    detail: { demanded: 'encryption' },
  });
  await createArchive(images, { to: path, signingKey, replace: true }).done;
  const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }).toString();
  expect(await refused({ requireSignature: [other] })).toMatchObject({ code: 'ARCHIVE_UNTRUSTED' });
  const changed = readFileSync(path);
  changed[8192] = (changed[8192] ?? 0) ^ 1;
  writeFileSync(path, changed);
  expect(await refused({ requireSignature: [publicKey] })).toMatchObject({
    code: 'ARCHIVE_CORRUPT',
    detail: { member: 'checkpoint/pages-1.img' },
  });
  expect(existsSync(join(dir.path, 'out'))).toBe(false);
});

test('an archive with its last member changed, left out or put elsewhere is refused', async () => {
  await using dir = tempDir();
  const path = join(dir.path, 'a.tar');
  await createArchive(madeUp(dir), { to: path }).done;
  const good = readFileSync(path);
  const said = async (bytes: Buffer): Promise<string> => {
    writeFileSync(path, bytes);
    return verifyArchive(archive(path)).done.then(() => 'read', String);
  };
  for (let cut = 1; cut < good.length; cut += Math.ceil(good.length / 40))
    expect(await said(good.subarray(0, cut))).toContain('Cannot read the archive');
  const json = good.indexOf('"frazilArchive"');
  const other = Buffer.from(good);
  other.write('"Frazil', json);
  expect(await said(other)).toContain('does not have the digest');
});

test('a stream carries the same archive, as slow as its reader, and ends with its reader', async () => {
  await using dir = tempDir();
  const images = madeUp(dir);
  const fds = openFds();
  const { stream, done } = archiveStream(images, { compress: 'zstd' });
  await pipeline(stream, createWriteStream(join(dir.path, 'a')));
  const report = await done;
  expect(await verifyArchive(archive(join(dir.path, 'a'))).done).toMatchObject({ sha256: report.sha256 });
  const second = archiveStream(images, {});
  second.stream.destroy();
  expect(await second.done.catch((reason: unknown) => reason)).toMatchObject({
    code: 'IO',
    detail: { errno: 'EPIPE' },
  });
  expect(openFds()).toEqual(fds);
});

test('nothing is there under the final name after an abort at any point, a full disk, or images that change', async () => {
  await using dir = tempDir('tmpfs');
  const images = madeUp(dir);
  const path = join(dir.path, 'a.tar.zst');
  const left = (): string[] => readdirSync(dir.path).filter((name) => name !== 'images');
  for (let events = 0; events < 5; events += 1) {
    const stop = new AbortController();
    const run = createArchive(images, { to: path, signal: stop.signal });
    if (events === 0) stop.abort();
    let seen = 0;
    const failure = await (async () => {
      for await (const _ of run) if (++seen === events) stop.abort();
      return run.done;
    })().catch((reason: unknown) => reason);
    if (stop.signal.aborted && !('path' in (failure as object))) expect(failure).toMatchObject({ code: 'ABORTED' });
    else await rm(path, { force: true });
    expect(left()).toEqual([]);
  }
  const mounted = dir.folder('images/small');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'small', mounted]);
  try {
    for (const name of ['a.tar', 'a.tar.lz4', 'a.tar.age']) {
      const full = await createArchive(images, {
        to: join(mounted, name),
        digests: false,
        ...(name.endsWith('age') ? { recipients: [age.recipient] } : {}),
      }).done.catch((reason: unknown) => reason);
      expect(full).toMatchObject({ code: 'IO', detail: { errno: 'ENOSPC' } });
      expect(readdirSync(mounted)).toEqual([]);
    }
  } finally {
    execFileSync('umount', [mounted]);
  }
  await truncate(join(images, 'inventory.img'), 0);
  await rm(join(images, 'inventory.img'));
  expect(await createArchive(images, { to: path }).done.catch((reason: unknown) => reason)).toMatchObject({
    code: 'IMAGES_CORRUPT',
  });
  expect(left()).toEqual([]);
});
