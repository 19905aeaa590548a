import { describe, expect, it } from 'vitest';
import { CheckpointError, ERROR_CODES } from '../../../src/errors/checkpoint-error.js';

describe('CheckpointError', () => {
  const error = new CheckpointError('NO_SUCH_PROCESS', 'Cannot dump process 7: it does not exist', { pid: 7 });

  it('is() narrows by brand and by code', () => {
    expect(CheckpointError.is(error)).toBe(true);
    expect(CheckpointError.is(error, 'NO_SUCH_PROCESS')).toBe(true);
    expect(CheckpointError.is(error, 'IO')).toBe(false);
  });

  it('is() recognises the error of a second copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { code: 'IO', [Symbol.for('frazil.CheckpointError')]: true });
    expect(CheckpointError.is(foreign, 'IO')).toBe(true);
  });

  it.each([undefined, null, 'IO', new Error('IO'), { code: 'IO' }])('is() refuses %s', (value) => {
    expect(CheckpointError.is(value)).toBe(false);
  });

  it('keeps the cause and leaves it out of toJSON()', () => {
    const caused = new CheckpointError('IO', 'Cannot write', { syscall: 'write', errno: 'ENOSPC' }, { cause: error });
    expect(caused.cause).toBe(error);
    expect(JSON.parse(JSON.stringify(caused))).toEqual({
      name: 'CheckpointError',
      code: 'IO',
      message: 'Cannot write',
      detail: { syscall: 'write', errno: 'ENOSPC' },
    });
  });

  it('lists every code once', () => {
    expect(new Set(ERROR_CODES).size).toBe(29);
  });
});
