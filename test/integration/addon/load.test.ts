import { afterEach, describe, expect, it, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

describe('native()', () => {
  it('throws ADDON_MISSING with the path and the remedy, only when a call needs it', async () => {
    vi.stubEnv('FRAZIL_ADDON', '/nowhere/frazil.node');
    vi.resetModules();
    const { pipe } = await import('../../../src/addon/files.js');
    expect(() => pipe()).toThrowError(
      expect.objectContaining({
        code: 'ADDON_MISSING',
        message: expect.stringContaining('npm run build:native'),
        detail: { tried: ['/nowhere/frazil.node'] },
      }),
    );
  });

  it('gives every call that native.ts declares', async () => {
    const { native } = await import('../../../src/addon/load.js');
    const calls = Object.entries(native()).filter(([, value]) => typeof value !== 'function');
    expect(calls).toEqual([]);
    for (const name of DECLARED) expect(native()).toHaveProperty(name);
  });
});

// The interface is a type, gone at run time; the list is checked against it by the compiler.
const DECLARED: ReadonlyArray<keyof import('../../../src/addon/native.js').Native> = [
  'Fd',
  'seqpacketPair',
  'listenSeqpacket',
  'accept',
  'streamPair',
  'datagramSocket',
  'send',
  'receive',
  'receiveSoon',
  'pipe',
  'memfd',
  'linkFile',
  'renameNew',
  'ArchiveWriter',
  'spawn',
  'waitChild',
  'watchChild',
  'waitExit',
  'pidfdOpen',
  'sendSignal',
  'setChildSubreaper',
  'exec',
  'pidfdGetfd',
  'tcpInRepair',
  'tcpEndRepair',
  'printPagemap',
  'verifyChain',
  'dedupChain',
  'squashImages',
  'searchMemory',
  'diffImages',
  'readMemory',
  'overlayImages',
  'openBeneath',
  'mkdirBeneath',
  'symlinkBeneath',
  'readArchive',
  'stageChain',
  'unmarkedPagemaps',
  'markPagemaps',
  'stageEager',
  'copyBytes',
  'readBytes',
  'filterStream',
  'PageSender',
  'PageIntake',
  'runTunnel',
  'feedPages',
  'writeBytes',
  'packStream',
  'readXattrs',
  'writeMembers',
];
