// Bad input: what a runtime refuses it refuses through us, in the same words, with the same status and the same files left behind.

import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Container, makeContainer, RUNTIMES, SEATED, startContainer } from '../helpers/container.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { waitGone } from '../helpers/procfs.js';
import { seen } from '../helpers/seen.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

type Case = readonly [why: string, words: string, only?: 'runc'];

/** IMAGES is a path at which nothing is yet, ID the container, which runs. */
const RUNNING: readonly Case[] = [
  ['no such container', 'checkpoint --image-path IMAGES no-such-container'],
  ['an id with a slash', 'checkpoint --image-path IMAGES a/b'],
  ['no id', 'checkpoint --image-path IMAGES'],
  ['two ids', 'checkpoint ID ID', 'runc'],
  ['unwritable image path', 'checkpoint --image-path /proc/nowhere ID'],
  ['unwritable work path', 'checkpoint --image-path IMAGES --work-path /proc/nowhere ID'],
  ['absolute parent path', 'checkpoint --image-path IMAGES --parent-path /tmp ID'],
  ['missing parent path', 'checkpoint --image-path IMAGES --parent-path ../nowhere ID'],
  ['a parent path that is a file', 'checkpoint --image-path IMAGES --parent-path ../crun ID'],
  ['pre-dump where the kernel cannot', 'checkpoint --image-path IMAGES --pre-dump ID'],
  ['page server without a port', 'checkpoint --image-path IMAGES --page-server localhost ID'],
  ['page server with a bad port', 'checkpoint --image-path IMAGES --page-server localhost:x ID'],
  ['page server with nobody there', 'checkpoint --image-path IMAGES --page-server 127.0.0.1:9 ID'],
  ['a status fd that is not open', 'checkpoint --image-path IMAGES --lazy-pages --status-fd 77 ID'],
  ['a status fd that is no number', 'checkpoint --image-path IMAGES --lazy-pages --status-fd x ID'],
  ['a namespace that cannot be empty', 'checkpoint --image-path IMAGES --empty-ns pid ID'],
  ['a cgroups mode that does not exist', 'checkpoint --image-path IMAGES --manage-cgroups-mode x ID'],
  ['a network lock that does not exist', 'checkpoint --image-path IMAGES --network-lock x ID'],
  ['an unknown option', 'checkpoint --no-such-option ID'],
  ['an option without its value', 'checkpoint --image-path'],
  ['an unknown global option', '--no-such-option checkpoint ID'],
  ['restore over a container that is there', 'restore -d --image-path IMAGES ID'],
  ['restore without an id', 'restore -d --image-path IMAGES'],
  ['restore from nowhere', 'restore -d --image-path IMAGES another'],
  ['restore without a bundle', 'restore -d --image-path IMAGES --bundle /proc/nowhere another'],
  ['an LSM profile of a wrong form', 'restore -d --image-path IMAGES --lsm-profile x another'],
  ['an LSM mount context without its value', 'restore --lsm-mount-context'],
  // Two mistakes at once: which one is found first?
  ['no such container, bad page server', 'checkpoint --image-path IMAGES --page-server x nobody'],
  ['unwritable image path, absolute parent', 'checkpoint --image-path /proc/nowhere --parent-path /tmp ID'],
  ['missing parent, bad namespace', 'checkpoint --image-path IMAGES --parent-path nowhere --empty-ns pid ID'],
  ['bad namespace, bad page server', 'checkpoint --image-path IMAGES --empty-ns pid --page-server x ID'],
  ['bad cgroups mode, missing parent', 'checkpoint --image-path IMAGES --manage-cgroups-mode x --parent-path n ID'],
];

describe.each(RUNTIMES)('$name', (runtime) => {
  const needs = [runtime.here, CRIU_42.here];

  testWith(needs, 'on a running container', async () => {
    await using dir = tempDir();
    await using container = await startContainer(runtime, dir);
    const table = RUNNING.filter(([, , only]) => only === undefined || only === runtime.name);
    for (const each of table) await same(container, dir, each);
    expect((await container.state())?.status).toBe('running');
  });

  testWith(needs, 'on a created and on a stopped one', async () => {
    await using dir = tempDir();
    await using container = await makeContainer(runtime, dir);
    await container.call('create', '--bundle', container.bundle, container.id);
    await same(container, dir, ['created', 'checkpoint --image-path IMAGES ID']);
    await same(container, dir, ['created, bad namespace', 'checkpoint --image-path IMAGES --empty-ns pid ID']);
    const { pid = 0 } = (await container.state()) ?? {};
    await container.call('kill', container.id, 'KILL');
    await expect.poll(async () => (await container.state())?.status).toBe('stopped');
    // crun's words are others for as long as there is a zombie.
    await waitGone([pid]);
    await same(container, dir, ['stopped', 'checkpoint --image-path IMAGES ID']);
    await same(container, dir, ['stopped, absolute parent', 'checkpoint --image-path IMAGES --parent-path /tmp ID']);
  });
});

async function same(container: Container, dir: TempDir, [why, words]: Case): Promise<void> {
  const [ours, real] = [dir.folder('ours'), dir.folder('real')];
  const args = (folder: string): readonly string[] =>
    words.split(' ').map((word) => word.replace(/^IMAGES$/, join(folder, 'images')).replace(/^ID$/, container.id));
  const expected = seen(await container.call(...args(real)), real);
  // crun keeps the state of a container that it could not restore.
  await container.call('delete', '--force', 'another');
  const got = seen(await container.callBy(SEATED, ...args(ours)), ours);
  await container.call('delete', '--force', 'another');
  expect(got, why).toEqual(expected);
  expect(got.status, why).not.toBe(0);
}
