// Image files made by hand, for tests of their readers: magic numbers as in criu/include/magic.h.

import { type Entry, encodeEntry } from '../../../src/schema/images.js';

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

const record = (entry: Uint8Array): Buffer => Buffer.concat([word(entry.length), entry]);

export function statsFile(entry: Entry<'stats_entry'>): Buffer {
  return Buffer.concat([word(0x55105940), word(0x57093306), record(encodeEntry('stats_entry', entry))]);
}

export function pstreeFile(tasks: readonly Entry<'pstree_entry'>[]): Buffer {
  return Buffer.concat([
    word(0x54564319),
    word(0x50273030),
    ...tasks.map((task) => record(encodeEntry('pstree_entry', task))),
  ]);
}

export const task = (pid: number, ppid = 0): Entry<'pstree_entry'> => ({
  pid,
  ppid,
  pgid: pid,
  sid: pid,
  threads: [pid],
});
