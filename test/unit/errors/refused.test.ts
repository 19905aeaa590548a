import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/errors/checkpoint-error.js';
import { refused, requestRefused } from '../../../src/errors/refused.js';
import { fill } from '../../../src/errors/template.js';

const log = (name: string): string => readFileSync(new URL(`logs/${name}.log`, import.meta.url), 'utf8');

describe('refused()', () => {
  it('makes one sentence of action, object, cause, place in the log and remedy', () => {
    const error = refused('dump', {
      pid: 17905,
      imagesDir: '/var/ckpt/7',
      logFile: '/var/ckpt/7/dump.log',
      log: log('tcp'),
    });
    expect(CheckpointError.is(error, 'DUMP_REFUSED')).toBe(true);
    expect(error.message).toMatch(
      /^Cannot dump process 17905: Process 17905 holds an established TCP connection on fd 4 \(\/var\/ckpt\/7\/dump\.log:\d+\)\. Pass tcpEstablished: true \(--tcp-established\)/,
    );
  });

  it('carries pid, directory, log, causes and the lines around the decisive one', () => {
    const answer = { errno: 3, message: 'Error (criu/util.c:1534): rlimit: ...\n' };
    const error = refused('dump', { pid: 7, imagesDir: '/d', logFile: '/d/l', log: log('ghost'), answer });
    expect(error.detail).toMatchObject({
      pid: 7,
      imagesDir: '/d',
      logFile: '/d/l',
      errno: 3,
      criuMessage: 'Error (criu/util.c:1534): rlimit: ...',
    });
    expect(CheckpointError.is(error, 'DUMP_REFUSED') && error.detail.logExcerpt.join('\n')).toContain(
      'Dumping path for 3 fd',
    );
  });

  it('names the directory when a restore is refused', () => {
    const error = refused('restore', { imagesDir: '/d', logFile: '/d/restore.log', log: log('r-filesize') });
    expect(error.code).toBe('RESTORE_REFUSED');
    expect(error.message).toContain(
      'Cannot restore "/d": The file "/tmp/prov/files/f1" of process 10369 (fd 3) has 11 bytes',
    );
  });

  it('turns a root that is not there into NO_SUCH_PROCESS', () => {
    const error = refused('dump', { pid: 999999, log: log('nopid') });
    expect(error).toMatchObject({ code: 'NO_SUCH_PROCESS', detail: { pid: 999999 } });
  });

  it('quotes what CRIU printed when there is no log', () => {
    const error = refused('dump', { pid: 7, log: '', stderr: 'something odd\n\n' });
    expect(error.message).toBe('Cannot dump process 7: CRIU printed "something odd"');
  });

  it('says so when there is nothing to say', () => {
    expect(refused('dump', { pid: 7, log: '', logFile: '/d/l' }).message).toBe(
      'Cannot dump process 7: CRIU refused without a reason (/d/l)',
    );
  });

  it('keeps the cause', () => {
    const cause = new Error('x');
    expect(refused('restore', { log: '', cause }).cause).toBe(cause);
  });
});

describe('requestRefused()', () => {
  it('names the request', () => {
    const error = requestRefused('PAGE_SERVER_CHLD', {
      log: '(00.1) Error (criu/util.c:1342): Failed to resolve hostname: h: x',
    });
    expect(error).toMatchObject({ code: 'REQUEST_REFUSED', detail: { request: 'PAGE_SERVER_CHLD' } });
    expect(error.message).toContain(
      'Cannot serve the request PAGE_SERVER_CHLD: The name "h" of the page server does not resolve',
    );
  });
});

describe('fill()', () => {
  it.each([
    ['a {x} b', { x: 1 }, 'a 1 b'],
    ['a< on {x}> b', { x: 1 }, 'a on 1 b'],
    ['a< on {x}> b', {}, 'a b'],
    ['a< on {x} of {y}> b', { x: 1 }, 'a b'],
    ['a< on {x}> b', { x: '(null)' }, 'a b'],
    ['a {x} b', {}, 'a unknown b'],
    ['["{x}"]', { x: 'k' }, '["k"]'],
  ])('%j with %j is %j', (template, values, text) => {
    expect(fill(template, values)).toBe(text);
  });
});
