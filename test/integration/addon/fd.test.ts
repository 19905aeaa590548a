import { closeSync, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Fd } from '../../../src/addon/fd.js';
import { memfd, pipe } from '../../../src/addon/files.js';
import { send, seqpacketPair, streamPair } from '../../../src/addon/sockets.js';
import { openFds } from './open-fds.js';

describe('Fd', () => {
  it('close() is idempotent; a closed one says so and lends nothing', () => {
    const before = openFds();
    const fd = memfd('a');
    expect(fd.closed).toBe(false);
    expect(fd.number).toBeGreaterThan(2);
    fd.close();
    fd.close();
    expect(fd.closed).toBe(true);
    expect(() => fd.number).toThrowError(TypeError);
    expect(() => fd.take()).toThrowError(/spent/);
    expect(openFds()).toEqual(before);
  });

  it('take() gives the number away, adopt() takes it over', () => {
    const fd = memfd('a');
    const number = fd.take();
    expect(fd.closed).toBe(true);
    expect(fstatSync(number).isFile()).toBe(true);
    const again = Fd.adopt(number);
    expect(again.number).toBe(number);
    again.close();
    expect(() => Fd.adopt(number)).toThrowError(
      expect.objectContaining({ code: 'IO', detail: { syscall: 'fcntl', errno: 'EBADF' } }),
    );
  });

  it('duplicate() leaves a FileHandle its own', async () => {
    await using file = await open('/dev/null');
    const fd = Fd.duplicate(file.fd);
    expect(fd.number).not.toBe(file.fd);
    fd.close();
    expect((await file.stat()).isCharacterDevice()).toBe(true);
  });

  it('closes at the end of a block with "using"', () => {
    const before = openFds();
    {
      using fd = memfd('a');
      expect(fd.closed).toBe(false);
    }
    expect(openFds()).toEqual(before);
  });

  it('is closed by the garbage collector when it was forgotten', async () => {
    const { runInNewContext } = await import('node:vm');
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const forgotten = () => openFds().filter((line) => line.includes('memfd:forgotten')).length;
    for (let i = 0; i < 5; ++i) memfd('forgotten');
    expect(forgotten()).toBe(5);
    for (let i = 0; i < 20 && forgotten() > 0; ++i) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(forgotten()).toBe(0);
  });

  it.each([
    ['a number', 3],
    ['a look-alike', { number: 3, closed: false }],
    ['its prototype', Object.getPrototypeOf(memfd('proto')) as unknown],
    ['nothing', undefined],
  ])('is told from %s', (_, value) => {
    expect(Fd.is(value)).toBe(false);
    expect(() => send(value as Fd, new Uint8Array(1))).toThrowError(TypeError);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 31, '3'])('adopt(%s) is a TypeError', (value) => {
    expect(() => Fd.adopt(value as number)).toThrowError(TypeError);
  });

  it('cannot be constructed or borrowed through another object', () => {
    using fd = memfd('a');
    const Class = fd.constructor as new () => unknown;
    expect(() => new Class()).toThrowError(TypeError);
    expect(() => Reflect.get(Object.getPrototypeOf(fd), 'number', {})).toThrowError();
  });
});

describe('what makes fds', () => {
  it('sets CLOEXEC on all of them', async () => {
    const { readFileSync } = await import('node:fs');
    const { read, write } = pipe({ capacityBytes: 1 << 20 });
    const made = [
      ...seqpacketPair(),
      ...streamPair({ bufferBytes: 1 << 20 }),
      read,
      write,
      memfd('a'),
      Fd.duplicate(0),
    ];
    for (const fd of made) {
      const flags = /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd.number}`, 'utf8'))?.[1] ?? '0';
      expect(Number.parseInt(flags, 8) & 0o2000000).not.toBe(0);
      fd.close();
    }
  });

  it('names the limit when there are no more fds', () => {
    const taken: number[] = [];
    expect(() => {
      for (;;) taken.push(openSync('/dev/null', 'r'));
    }).toThrowError(/EMFILE/);
    try {
      expect(() => pipe()).toThrowError(expect.objectContaining({ detail: { syscall: 'pipe2', errno: 'EMFILE' } }));
    } finally {
      for (const number of taken) closeSync(number);
    }
  });
});
