// checkpointctl's library, function by function: facts of lib/metadata.go.

import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  byteToString,
  readContainerConfig,
  readContainerdStatus,
  readDeletedFiles,
  readJsonFile,
  readNetworkStatus,
  readPodOptions,
  readSpec,
  readStatusDump,
  writeJsonFile,
  writeStruct,
} from '../../../src/archive/metadata/files.js';
import { goMarshal, goStruct } from '../../../src/archive/metadata/go-json.js';
import { CHECKPOINT_ANNOTATIONS } from '../../../src/archive/metadata/names.js';
import {
  CHECKPOINTED_POD_OPTIONS,
  CONTAINER_CONFIG,
  CONTAINERD_STATUS,
  KUBERNETES_CONTAINER_CHECKPOINT_METADATA,
} from '../../../src/archive/metadata/types.js';
import { tempDir } from '../../helpers/temp-dir.js';

const rejected = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'read',
    (reason: Error) => reason.message,
  );

describe('writeStruct()', () => {
  it('writes a ContainerConfig byte for byte as Go does', async () => {
    await using dir = tempDir();
    const config = { id: 'abc', name: '<web & "co">', runtime: 'runc', createdTime: '2026-05-04T03:02:01.123456789Z' };
    const path = await writeStruct(CONTAINER_CONFIG, config, dir.path, 'config.dump');
    expect(path).toBe(join(dir.path, 'config.dump'));
    expect(readFileSync(path, 'utf8')).toBe(
      [
        '{',
        '  "id": "abc",',
        '  "name": "\\u003cweb \\u0026 \\"co\\"\\u003e",',
        '  "runtime": "runc",',
        '  "createdTime": "2026-05-04T03:02:01.123456789Z",',
        '  "checkpointedTime": "0001-01-01T00:00:00Z",',
        '  "restoredTime": "0001-01-01T00:00:00Z",',
        '  "restored": false',
        '}',
      ].join('\n'),
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await readContainerConfig(dir.path)).toMatchObject({ ...config, rootfsImage: '', restored: false });
  });

  it('keeps the mode of a file that is there, and cuts it', async () => {
    await using dir = tempDir();
    const path = join(dir.path, 'x');
    writeFileSync(path, 'x'.repeat(100), { mode: 0o644 });
    await writeJsonFile([], dir.path, 'x');
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['[]', 0o644]);
  });

  it('writes a missing list as null and leaves out what is empty', () => {
    expect(goMarshal(goStruct(KUBERNETES_CONTAINER_CHECKPOINT_METADATA, { containerName: 'c' }))).toBe(
      '{"containerName":"c","checkpoints":null}',
    );
    expect(
      goMarshal(goStruct(KUBERNETES_CONTAINER_CHECKPOINT_METADATA, { checkpoints: [{ archive: 'a', size: 1 }] })),
    ).toBe('{"checkpoints":[{"archive":"a","size":1}]}');
    expect(goMarshal(goStruct(CONTAINERD_STATUS, { Pid: 7 }))).toBe(
      '{"CreatedAt":0,"StartedAt":0,"FinishedAt":0,"ExitCode":0,"Pid":7,"Reason":"","Message":""}',
    );
    expect(goMarshal(goStruct(CHECKPOINTED_POD_OPTIONS, { version: 1, containers: { a: 'b' } }))).toBe(
      '{"version":1,"containers":{"a":"b"}}',
    );
  });
});

describe('goMarshal()', () => {
  it('escapes what Go escapes, and says the same as before', () => {
    expect(goMarshal('<>&\u2028\u2029\b\f\n\t\\b')).toBe(
      '"\\u003c\\u003e\\u0026\\u2028\\u2029\\u0008\\u000c\\n\\t\\\\b"',
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(goMarshal(value, 2))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('the readers', () => {
  it('say what Go says about files that are not there, empty, damaged, or of another type', async () => {
    await using dir = tempDir();
    const path = join(dir.path, 'config.dump');
    const said = (text: string): Promise<string> => {
      writeFileSync(path, text);
      return rejected(readContainerConfig(dir.path));
    };
    expect(await rejected(readContainerConfig(dir.path))).toBe(`open ${path}: no such file or directory`);
    expect(await said('')).toBe(`failed to unmarshal ${path}: unexpected end of JSON input`);
    expect(await said('{"id":')).toBe(`failed to unmarshal ${path}: unexpected end of JSON input`);
    expect(await said('hello')).toBe(
      `failed to unmarshal ${path}: invalid character 'h' looking for beginning of value`,
    );
    expect(await said('{"id":7}')).toBe(
      `failed to unmarshal ${path}: json: cannot unmarshal number into Go struct field ContainerConfig.id of type string`,
    );
    expect(await said('[]')).toBe(
      `failed to unmarshal ${path}: json: cannot unmarshal array into Go value of type ContainerConfig`,
    );
  });

  it('match keys whatever their case, ignore others, and take null for nothing', async () => {
    await using dir = tempDir();
    writeFileSync(join(dir.path, 'config.dump'), '{"ID":"x","Name":null,"other":{"id":"y"},"RESTORED":true}');
    expect(await readContainerConfig(dir.path)).toMatchObject({
      id: 'x',
      name: '',
      restored: true,
      createdTime: '0001-01-01T00:00:00Z',
    });
  });

  it('refuse links, pipes and folders', async () => {
    await using dir = tempDir();
    symlinkSync('/etc/passwd', join(dir.path, 'config.dump'));
    execFileSync('mkfifo', [join(dir.path, 'spec.dump')]);
    dir.folder('status');
    for (const [name, read] of [
      ['config.dump', readContainerConfig],
      ['spec.dump', readSpec],
      ['status', readContainerdStatus],
    ] as const)
      expect(await rejected(read(dir.path))).toBe(`${join(dir.path, name)} is not a regular file`);
  });

  it('read each of the other files', async () => {
    await using dir = tempDir();
    const put = (name: string, text: string): void => writeFileSync(join(dir.path, name), text);
    put('spec.dump', '{"annotations":{"io.container.manager":"libpod"}}');
    put('status', '{"Version":"v1","Pid":7,"CreatedAt":1714791721000000000}');
    put('status.dump', '{"id":"x"}');
    put('network.status', 'null');
    put('deleted.files', '["/etc/motd"]');
    put('pod.options', '{"version":2,"containers":{"a":"b"}}');
    expect(await readSpec(dir.path)).toEqual({ annotations: { 'io.container.manager': 'libpod' } });
    expect(await readContainerdStatus(dir.path)).toMatchObject({ Pid: 7, Reason: '' });
    expect(await readStatusDump(dir.path)).toEqual({ id: 'x' });
    expect(await readNetworkStatus(dir.path)).toEqual({});
    expect(await readDeletedFiles(dir.path)).toEqual(['/etc/motd']);
    expect(await readPodOptions(dir.path)).toEqual({ version: 2, containers: { a: 'b' }, annotations: null });
    expect(await readJsonFile(dir.path, 'status.dump')).toEqual({ id: 'x' });
  });
});

it('byteToString() rounds as C does', () => {
  const cases = {
    '-5': '-5 B',
    '0': '0 B',
    '1023': '1023 B',
    '1024': '1.0 KiB',
    '1536': '1.5 KiB',
    '1075': '1.0 KiB',
    '1280': '1.2 KiB',
    '1792': '1.8 KiB',
    '1048576': '1.0 MiB',
    '1125899906842624': '1.0 PiB',
  };
  for (const [bytes, text] of Object.entries(cases)) expect(byteToString(Number(bytes))).toBe(text);
});

it('CHECKPOINT_ANNOTATIONS are those of checkpointctl', () => {
  const values = Object.values(CHECKPOINT_ANNOTATIONS);
  expect(new Set(values).size).toBe(21);
  expect(values.every((value) => value.startsWith('org.criu.checkpoint.'))).toBe(true);
  expect(CHECKPOINT_ANNOTATIONS.name).toBe('org.criu.checkpoint.container.name');
});
