// A dump straight into an archive with digests, a signature, encryption and the members of a profile: verified, opened by age, restored.

import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateIdentity } from '../../src/archive/age/keys.js';
import { type ArchiveOptions, archive, type ReadOptions } from '../../src/archive/archive.js';
import { extractArchive, verifyArchive } from '../../src/archive/lazily.js';
import { dump } from '../../src/criu/dump.js';
import { restore } from '../../src/criu/restore.js';
import { archiver, archivers } from '../helpers/archivers.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { killTree, startTarget, type Target } from '../helpers/target.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { openFds } from '../integration/addon/open-fds.js';

const keys = generateKeyPairSync('ed25519');
const signingKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const publicKey = keys.publicKey.export({ format: 'pem', type: 'spki' }).toString();
const age = generateIdentity();

function target(dir: TempDir): Promise<Target> {
  const control = join(dir.path, 'control');
  return startTarget('memory', [control, '24', '3', '3'], { control });
}

const FORMS: ReadonlyArray<readonly [name: string, made: ArchiveOptions, read: ReadOptions]> = [
  ['a.tar', { digests: true }, {}],
  ['a.tar.zst', { signingKey }, { requireSignature: [publicKey] }],
  ['a.tar.age', { recipients: [age.recipient] }, { identities: [age.identity], requireEncryption: true }],
  [
    'a.tar.lz4.age',
    { recipients: [age.recipient], signingKey },
    { identities: [age.identity], requireEncryption: true, requireSignature: [publicKey] },
  ],
];

for (const [name, made, read] of FORMS) {
  for (const leaveRunning of [true, false]) {
    const title = `${name} ${Object.keys(made)}, leaveRunning ${leaveRunning}: verified, and every byte comes back`;
    testWith([CRIU_42.here], title, async () => {
      await using dir = tempDir();
      await using running = await target(dir);
      const before = await running.ask('digest');
      const path = join(dir.path, name);
      const fds = openFds();
      const report = await dump(running.pid, { to: archive(path, made), leaveRunning, criu: CRIU_42.path }).done;
      expect(openFds()).toEqual(fds);
      expect(report).toMatchObject({ archiveBytes: statSync(path).size, encrypted: name.endsWith('.age') });
      const digested = made.digests === true || made.signingKey !== undefined;
      const found = await verifyArchive(archive(path, read)).done;
      expect(report.sha256).toBe(digested ? found.sha256 : undefined);
      if (leaveRunning) await running.kill();
      const tree = await restore(archive(path, read)).done;
      expect(await running.ask('digest')).toEqual(before);
      await killTree(running, tree);
    });
  }
}

testWith([CRIU_42.here, archivers], 'age opens it, and the digests are those of what tar unpacks', async () => {
  await using dir = tempDir();
  await using running = await target(dir);
  const [keyFile, path] = [join(dir.path, 'key'), join(dir.path, 'a.tar.age')];
  writeFileSync(keyFile, `${age.identity}\n`);
  const to = archive(path, { recipients: [age.recipient], digests: true });
  await dump(running.pid, { to, leaveRunning: true, criu: CRIU_42.path }).done;
  const plain = join(dir.path, 'a.tar');
  archiver('age', ['-d', '-i', keyFile, '-o', plain, path]);
  execFileSync('tar', ['-C', dir.folder('out'), '-xf', plain]);
  const lines = readFileSync(join(dir.path, 'out/frazil.index'), 'utf8').split('\n');
  const members = lines.flatMap((line) =>
    line.includes('"sha256"') && line.includes('"name"') ? [JSON.parse(line)] : [],
  );
  expect(members.length).toBeGreaterThan(10);
  for (const { name, sha256 } of members)
    expect([name, sha256]).toEqual([
      name,
      createHash('sha256')
        .update(readFileSync(join(dir.path, 'out', name)))
        .digest('hex'),
    ]);
});

testWith([CRIU_42.here], 'the members of a profile, and the files of a container, go with the pages', async () => {
  await using dir = tempDir();
  await using running = await target(dir);
  for (const name of ['lower', 'upper', 'work', 'merged', 'volume', 'shm']) dir.folder(name);
  const parts = `lowerdir=${dir.path}/lower,upperdir=${dir.path}/upper`;
  writeFileSync(join(dir.path, 'lower/gone'), 'gone');
  const merged = join(dir.path, 'merged');
  execFileSync('mount', ['-t', 'overlay', '-o', `${parts},workdir=${dir.path}/work`, 'overlay', merged]);
  try {
    execFileSync('sh', ['-ec', 'rm gone; for i in $(seq 600); do echo $i > n$i; done'], { cwd: merged });
    writeFileSync(join(dir.path, 'volume/v'), 'in the volume');
    writeFileSync(join(dir.path, 'config.dump'), '{"id":"1"}');
    const path = join(dir.path, 'a.tar.zst');
    const to = archive(path, {
      profile: 'podman',
      members: [
        { name: 'config.dump', path: join(dir.path, 'config.dump') },
        { name: 'spec.dump', content: '{"mounts":[]}' },
      ],
      rootfs: merged,
      volumes: [{ name: 'data', path: join(dir.path, 'volume') }],
      shm: join(dir.path, 'shm'),
      signingKey,
    });
    const report = await dump(running.pid, { to, leaveRunning: true, criu: CRIU_42.path }).done;
    expect(report).toMatchObject({ profile: 'podman' });
    const read = archive(path, { requireSignature: [publicKey] });
    expect(await verifyArchive(read).done).toMatchObject({ profile: 'podman', sha256: report.sha256 });
    const out = join(dir.path, 'out');
    await extractArchive(read, out).done;
    expect(
      readdirSync(out)
        .filter((name) => name !== 'checkpoint')
        .sort(),
    ).toEqual([
      'config.dump',
      'deleted.files',
      'devshm-checkpoint.tar',
      'network.status',
      'rootfs-diff.tar',
      'spec.dump',
      'stats-dump',
      'volumes',
    ]);
    expect(JSON.parse(readFileSync(join(out, 'deleted.files'), 'utf8'))).toEqual(['/gone']);
    execFileSync('tar', ['-C', dir.folder('unpacked'), '-xf', join(out, 'rootfs-diff.tar')]);
    expect(readdirSync(join(dir.path, 'unpacked')).length).toBe(600);
    expect(readFileSync(join(dir.path, 'unpacked/n599'), 'utf8')).toBe('599\n');
    expect(execFileSync('tar', ['-xOf', join(out, 'volumes/data.tar'), './v'], { encoding: 'utf8' })).toBe(
      'in the volume',
    );
  } finally {
    execFileSync('umount', [merged]);
  }
});

testWith([CRIU_42.here], 'a full disk under an encrypted archive leaves none, and the tree running', async () => {
  await using dir = tempDir();
  await using running = await target(dir);
  const small = dir.folder('small');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'small', small]);
  try {
    const to = archive(join(small, 'a.tar.age'), { recipients: [age.recipient] });
    const failure = await dump(running.pid, { to, criu: CRIU_42.path }).done.catch((reason: unknown) => reason);
    expect(failure).toMatchObject({ code: 'IO', detail: { errno: 'ENOSPC' } });
    expect(readdirSync(small)).toEqual([]);
    expect(running.alive()).toBe(true);
    expect(await running.ask('digest')).toBeDefined();
  } finally {
    execFileSync('umount', [small]);
  }
});

test('what cannot be is refused before anything happens', () => {
  const refuse = (options: ArchiveOptions): void => {
    expect(() => dump(process.pid, { to: archive('/tmp/a.tar', options) })).toThrow(RangeError);
  };
  refuse({ profile: 'podman' });
  refuse({ signingKey, digests: false });
  refuse({ recipients: [age.recipient], passphrase: 'x' });
  refuse({ recipients: ['age1nobody'] });
  refuse({ members: [{ name: 'checkpoint/x', content: '' }] });
  expect(existsSync('/tmp/a.tar')).toBe(false);
});
