// The archive that the command line names, with the keys that lie in files.

import { readFile } from 'node:fs/promises';
import { type Archive, archive, type ReadOptions } from '../../archive/archive.js';
import { CheckpointError } from '../../errors/checkpoint-error.js';
import type { ArchiveReading } from '../parse/preferences.js';
import { UsageError } from '../usage-error.js';

/** `-` is standard input. Throws IO when a file cannot be read, UsageError when it holds no key. */
export async function namedArchive(path: string, reading: ArchiveReading, topic: string): Promise<Archive> {
  const options = await optionsOf(reading);
  try {
    return archive(path === '-' ? { fd: 0 } : path, options);
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof TypeError)
      throw new UsageError(cause.message, topic, { cause });
    throw cause;
  }
}

async function optionsOf(reading: ArchiveReading): Promise<ReadOptions> {
  const { identityFiles, passphraseFile, signerFiles, requireEncryption, digests } = reading;
  const identities = (await Promise.all(identityFiles.map(textOf))).flatMap(keyLines);
  return {
    identities,
    requireSignature: await Promise.all(signerFiles.map(textOf)),
    requireEncryption,
    digests,
    ...(passphraseFile === undefined ? {} : { passphrase: await passphraseIn(passphraseFile) }),
  };
}

/** The first line: an editor's newline is no part of it. */
export async function passphraseIn(path: string): Promise<string> {
  return (await textOf(path)).split(/\r?\n/)[0] ?? '';
}

/** Of a file of keys: one a line, comments begin with "#". */
export function keyLines(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => (line.trim() === '' || line.startsWith('#') ? [] : [line.trim()]));
}

/** Throws IO. */
export async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const errno = cause.code ?? 'unknown';
    throw new CheckpointError('IO', `Cannot read the file "${path}": ${errno}`, { path, errno }, { cause });
  });
}
