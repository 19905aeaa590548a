// What a container has changed in its root, walked from a real overlay: unpacked by GNU tar over the image, less what is listed, it is the
// tree that the container saw.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { archive } from '../../src/archive/archive.js';
import { type CreateOptions, createArchive } from '../../src/archive/create/call.js';
import { extractArchive, verifyArchive } from '../../src/archive/lazily.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';
import { openFds } from '../integration/addon/open-fds.js';

const sh = (script: string, cwd: string): string => execFileSync('sh', ['-ec', script], { cwd, encoding: 'utf8' });

// Two layers, of which the upper one has whiteouts and an opaque folder of its own.
const IMAGE = `
mkdir -p l1/opt/gone/sub l1/opt/emptied/deep l1/opt/to-file l1/opt/kept l1/opt/moded l1/etc l1/under l2/opt/emptied l2/under
for f in opt/gone/sub/a opt/emptied/old opt/emptied/deep/x opt/to-file/x opt/to-folder opt/changed opt/moded/f under/hidden; do echo "$f" > l1/$f; done
echo both > l2/opt/emptied/both; echo l2 > l2/under/l2; mknod l2/opt/kept-not c 0 0; echo x > l1/opt/kept-not
touch l1/etc/hosts
`;

const CHANGES = `
rm -r opt/gone; rm -r opt/emptied; mkdir opt/emptied; echo new > opt/emptied/new; echo again > opt/emptied/old
rm -r opt/to-file; echo file > opt/to-file; rm opt/to-folder; mkdir opt/to-folder; echo z > opt/to-folder/z
echo changed > opt/changed; chmod 4755 opt/changed; chown 5:6 opt/changed; chmod 700 opt/moded; chown 7 opt/moded
mkdir -p new/empty; echo n > new/n; ln new/n new/hard; ln -s n new/soft; ln -s /etc/passwd new/out; mkfifo new/fifo
mknod new/null c 1 3; mknod new/disk b 8 17; truncate -s 3M new/sparse; echo end >> new/sparse; echo w > opt/.wh.literal
rm under/l2; echo u > "new/a name ü"; echo hosts > etc/hosts; : > new/nothing
chown 4000000:3000000 new/empty; head -c 1000000 /dev/urandom > new/random
python3 -c 'import os; os.setxattr("new/n", "user.note", bytes(range(256)))'
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("new/socket")'
python3 -c 'import os; d = "long" + "g" * 100; os.makedirs(d + "/" + d); open(d + "/" + d + "/f", "w").write("deep"); os.symlink(d + "/" + d, d + "/link")'
`;

interface Overlay extends AsyncDisposable {
  readonly merged: string;
  readonly options: string;
}

function overlay(dir: TempDir): Overlay {
  for (const name of ['l1', 'l2', 'upper', 'work', 'merged']) mkdirSync(join(dir.path, name));
  sh(IMAGE, dir.path);
  const options = `lowerdir=${dir.path}/l2:${dir.path}/l1,upperdir=${dir.path}/upper,workdir=${dir.path}/work`;
  const merged = join(dir.path, 'merged');
  execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', merged]);
  return { merged, options, [Symbol.asyncDispose]: async () => void execFileSync('umount', [merged]) };
}

// One task with pid 7: magic, magic, length, { pid: 7, ppid: 0, pgid: 7, sid: 7, threads: [7] }.
const PSTREE = Buffer.from('19435654303027500a00000008071000180720072807', 'hex');

function images(dir: TempDir): string {
  const path = dir.folder('images');
  writeFileSync(join(path, 'inventory.img'), 'inventory');
  writeFileSync(join(path, 'pstree.img'), PSTREE);
  return path;
}

/** Every name below, with all that a tar can say of it. Hard links by how many there are. */
function picture(path: string): readonly string[] {
  const lines = `find . -mindepth 1 ! -type s ! -path ./etc/hosts | LC_ALL=C sort | while read -r f; do
    stat -c '%n %F %a %u:%g %t:%T' "$f"
    if [ -L "$f" ]; then readlink "$f"; elif [ -f "$f" ]; then stat -c '%s links %h' "$f"; md5sum < "$f"; fi
  done`;
  const found = sh(lines, path).trim().split('\n');
  expect(found.length).toBeGreaterThan(3);
  return found;
}

async function unpacked(dir: TempDir, from: CreateOptions): Promise<string> {
  const path = join(dir.path, 'a.tar');
  const report = await createArchive(images(dir), { to: path, ...from }).done;
  expect(await verifyArchive(archive(path)).done).toMatchObject({ sha256: report.sha256 });
  const out = join(dir.path, 'out');
  await extractArchive(archive(path), out).done;
  return out;
}

describe('the root filesystem of a container', () => {
  test.each([
    ['by its mount point, with digests', (o: Overlay): CreateOptions => ({ rootfs: o.merged })],
    ['by the options of its overlay, without', (o: Overlay): CreateOptions => ({ rootfs: o.options, digests: false })],
  ])('%s', async (_, choose) => {
    await using dir = tempDir();
    await using mounted = overlay(dir);
    sh(CHANGES, mounted.merged);
    const fds = openFds();
    const out = await unpacked(dir, choose(mounted));
    expect(openFds()).toEqual(fds);
    const deleted: readonly string[] = JSON.parse(readFileSync(join(out, 'deleted.files'), 'utf8'));
    expect(deleted).toEqual(['/opt/emptied/both', '/opt/emptied/deep', '/opt/gone', '/under/l2']);
    const image = join(dir.path, 'image');
    mkdirSync(image);
    const plain = `lowerdir=${dir.path}/l2:${dir.path}/l1`;
    const shown = dir.folder('shown');
    execFileSync('mount', ['-t', 'overlay', '-o', plain, 'overlay', shown]);
    try {
      sh(`cp -a ${shown}/. ${image}`, dir.path);
    } finally {
      execFileSync('umount', [shown]);
    }
    // What Podman's untar does by itself: a folder makes room for a file, and the other way round.
    sh('rm -r opt/to-file opt/to-folder', image);
    sh(`tar --xattrs --xattrs-include='*' -xpf ${out}/rootfs-diff.tar`, image);
    for (const path of deleted) execFileSync('rm', ['-r', join(image, path)]);
    expect(picture(image)).toEqual(picture(mounted.merged));
    expect(
      sh('python3 -c \'import os; print(list(os.getxattr("new/n", "user.note")) == list(range(256)))\'', image),
    ).toBe('True\n');
    expect(sh('stat -c %i new/n new/hard | sort -u | wc -l', image).trim()).toBe('1');
  });

  test('as an OCI layer for containerd: whiteouts, and a mark for a folder that was emptied', async () => {
    await using dir = tempDir();
    await using mounted = overlay(dir);
    sh(CHANGES, mounted.merged);
    const members = ['config.dump', 'spec.dump', 'status', 'status.dump'].map((name) => ({ name, content: '{}' }));
    const out = await unpacked(dir, { profile: 'containerd', members, rootfs: mounted.merged });
    const names = sh(`tar -tf ${out}/rootfs-diff.tar`, dir.path).trim().split('\n');
    expect(names).toEqual(
      expect.arrayContaining([
        'opt/',
        'opt/.wh.gone',
        'opt/emptied/.wh..wh..opq',
        'under/.wh.l2',
        'etc/hosts',
        'opt/to-folder/z',
      ]),
    );
  });

  test('a link in the place of a folder leads nowhere', async () => {
    await using dir = tempDir();
    await using mounted = overlay(dir);
    sh('rm -r under; ln -s /etc under; mkdir -p new/real; echo x > new/real/f', mounted.merged);
    const out = await unpacked(dir, { rootfs: mounted.options });
    const listed = sh(`tar -tvf ${out}/rootfs-diff.tar`, dir.path);
    expect(listed).toContain('under -> /etc');
    expect(listed).not.toContain('under/');
  });
});

test('volumes and /dev/shm are packed whole, as Podman does it', async () => {
  await using dir = tempDir();
  const [volume, shm] = [dir.folder('volume'), dir.folder('shm')];
  sh('echo v > v; mkdir sub; echo w > sub/w; ln -s v link; chmod 1777 .', volume);
  sh('echo s > s', shm);
  const out = await unpacked(dir, { volumes: [{ name: 'data', path: volume }], shm });
  expect(sh(`tar -tf ${out}/volumes/data.tar`, dir.path)).toBe('./\n./link\n./sub/\n./sub/w\n./v\n');
  expect(sh(`tar -tf ${out}/devshm-checkpoint.tar`, dir.path)).toBe('./\n./s\n');
  const back = dir.folder('back');
  sh(`tar -xpf ${out}/volumes/data.tar`, back);
  expect(picture(back)).toEqual(picture(volume));
});

test('what is no overlay, no folder or no name is refused, and nothing is left', async () => {
  await using dir = tempDir();
  const made = (options: CreateOptions): Promise<unknown> =>
    createArchive(images(dir), { to: join(dir.path, 'a.tar'), ...options }).done.catch((reason: unknown) => reason);
  expect(await made({ rootfs: dir.path })).toMatchObject({ code: 'IO', detail: { path: dir.path } });
  expect(await made({ shm: join(dir.path, 'nowhere') })).toMatchObject({ code: 'IO' });
  expect(() => createArchive('x', { to: 'a.tar', volumes: [{ name: '..', path: '/' }] })).toThrow(RangeError);
  const twice = { to: 'a.tar', rootfs: '/', members: [{ name: 'deleted.files', content: '' }] };
  expect(() => createArchive('x', twice)).toThrow('twice');
  expect(sh('ls', dir.path)).toBe('images\n');
});
