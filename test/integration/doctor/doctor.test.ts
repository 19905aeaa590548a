import { describe, expect, test } from 'vitest';
import { type DoctorReport, doctor } from '../../../src/criu/doctor/doctor.js';
import { openHttp } from '../../helpers/http-connection.js';
import { startProgram, textOf } from '../../helpers/target.js';
import { tempDir } from '../../helpers/temp-dir.js';

const HTTP_SERVER = new URL('../../helpers/targets/http-server.mjs', import.meta.url).pathname;
const askCriu = async () => ({
  version: '4.2.1',
  features: { memTrack: false, lazyPages: true, pidfdStore: true },
});
const KNOWN = { criu: process.execPath, askCriu };

describe('doctor()', () => {
  test('answers with what its JSON promises', async () => {
    const report: DoctorReport = JSON.parse(JSON.stringify(await doctor(KNOWN)));
    expect(report).toMatchObject({
      criu: { path: process.execPath, version: '4.2.1', works: true },
      kernel: { softDirty: false, userfaultfd: true, release: expect.any(String) },
      capabilities: expect.any(Array),
      cgroup: { layout: expect.stringMatching(/^(v1|v2|hybrid|none)$/) },
      limits: { pipeMaxBytes: expect.any(Number), availableBytes: expect.any(Number) },
      findings: expect.any(Array),
    });
    for (const { id, title, neededFor, severity } of report.findings) {
      expect(id).toMatch(/^[a-z0-9-]+$/);
      expect(title).not.toMatch(/\.$|undefined/);
      expect(neededFor).not.toBe('');
      expect(['blocks', 'limits', 'note', 'ok']).toContain(severity);
    }
  });

  test('trusts the features that CRIU found over its own probes', async () => {
    const features = { memTrack: true, lazyPages: false, pidfdStore: false };
    const { kernel } = await doctor({ ...KNOWN, askCriu: async () => ({ version: '4.2.1', features }) });
    expect(kernel).toMatchObject({ softDirty: true, userfaultfd: false });
  });

  test('works without CRIU, which is then a finding', async () => {
    const report = await doctor({ criu: '/nonexistent/criu' });
    expect(report.criu).toBeUndefined();
    expect(report.findings[0]).toMatchObject({ id: 'criu-missing', severity: 'blocks' });
  });

  test('refuses an aborted signal before it looks at anything', async () => {
    await expect(doctor({ ...KNOWN, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });

  test('finds in a Node server nothing but its connection, and nothing once the option is chosen', async () => {
    await using dir = tempDir();
    const port = `${dir.path}/port`;
    const { target, ready } = await startProgram([process.execPath, HTTP_SERVER, port], () => textOf(port));
    await using server = target;
    await using client = await openHttp(Number(ready));
    client.send('/');
    await client.answer();
    const blocking = async (options: object): Promise<string[]> =>
      ((await doctor({ ...KNOWN, pid: server.pid, options })).tree?.findings ?? [])
        .filter(({ severity }) => severity === 'blocks' || severity === 'limits')
        .map(({ id }) => id);
    expect(await blocking({})).toEqual(['tcp-established']);
    expect(await blocking({ tcpEstablished: true })).toEqual([]);
  });

  test('throws NO_SUCH_PROCESS for a pid that is not there', async () => {
    const pid = 4_194_303;
    await expect(doctor({ ...KNOWN, pid })).rejects.toMatchObject({ code: 'NO_SUCH_PROCESS', detail: { pid } });
  });
});
