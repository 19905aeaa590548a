// What containers of an engine are made of: a folder with a shell and the target `memory`, and the same as an image of the OCI.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { home } from './prefix.js';
import { programOf } from './target.js';
import type { TempDir } from './temp-dir.js';

const APPLETS = 'sh cat rm mkdir mkfifo ln chmod chown ls find stat sort'.split(' ');

export async function rootfsIn(dir: TempDir): Promise<string> {
  const rootfs = dir.folder('rootfs');
  for (const folder of ['bin', 'tmp', 'proc', 'dev', 'sys', 'etc', 'run']) mkdirSync(join(rootfs, folder));
  copyFileSync(join(home, 'criu/usr/bin/busybox'), join(rootfs, 'bin/busybox'));
  copyFileSync(await programOf('memory'), join(rootfs, 'bin/memory'));
  for (const applet of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', applet));
  return rootfs;
}

/** An archive of an OCI image layout with one image of one layer, which importing names `name`. */
export async function ociArchive(dir: TempDir, name: string): Promise<string> {
  const layout = dir.folder('layout');
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const put = (mediaType: string, bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(layout, 'blobs/sha256', hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (type: string, value: object) =>
    put(`application/vnd.oci.image.${type}.v1+json`, Buffer.from(JSON.stringify(value)));
  const packed = execFileSync('tar', ['-C', await rootfsIn(dir), '-c', '.'], { maxBuffer: 1 << 26 });
  const layer = put('application/vnd.oci.image.layer.v1.tar', packed);
  const config = json('config', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
  });
  const manifest = json('manifest', { schemaVersion: 2, config, layers: [layer] });
  const annotations = { 'io.containerd.image.name': name };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const archive = join(dir.path, 'image.tar');
  execFileSync('tar', ['-C', layout, '-cf', archive, '.']);
  return archive;
}
