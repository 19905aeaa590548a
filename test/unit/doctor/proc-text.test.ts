import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseCapabilities,
  parseFields,
  parseInet,
  parseLastColumnInodes,
  parseMaps,
  parseMountinfo,
  parseStat,
  parseUnix,
  valuesOf,
} from '../../../src/criu/doctor/proc-text.js';

describe('parsers of /proc', () => {
  it('parseMountinfo() reads sharing and escapes', () => {
    const text =
      '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:7 master:1 - ext3 /dev/root rw,errors=continue\n24 1 8:1 / / rw - ext4 /dev/vda rw\n';
    expect(parseMountinfo(text)).toEqual([
      { id: 36, parent: 35, root: '/mnt1', point: '/mnt 2', type: 'ext3', source: '/dev/root', shared: 7, master: 1 },
      { id: 24, parent: 1, root: '/', point: '/', type: 'ext4', source: '/dev/vda' },
    ]);
  });

  it('parseInet() reads state, port, backlog and inode', () => {
    const text =
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n' +
      '   0: 0100007F:94EB 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 51317 1 0000000000000000 100 0 0 10 0\n';
    expect(parseInet(text)).toEqual([{ inode: 51317, state: 10, localPort: 38123, receiveQueue: 2, uid: 0 }]);
  });

  it('parseUnix() reads state, listening and a path with a space', () => {
    const text =
      'Num       RefCount Protocol Flags    Type St Inode Path\n' +
      '000000008de30c44: 00000003 00000000 00000000 0001 03 277654\n' +
      '000000008de30c45: 00000002 00000000 00010000 0001 01 277655 /run/a b.sock\n' +
      '000000008de30c46: 00000002 00000000 00000000 0002 01     7 @abstract\n';
    expect(parseUnix(text)).toEqual([
      { inode: 277654, type: 1, state: 3, listening: false },
      { inode: 277655, type: 1, state: 1, listening: true, path: '/run/a b.sock' },
      { inode: 7, type: 2, state: 1, listening: false, path: '@abstract' },
    ]);
  });

  it('parseMaps() keeps paths with spaces and marks shared mappings', () => {
    const text =
      '7f0000000000-7f0000001000 rw-s 00000000 00:01 1024                       /SYSV00000000 (deleted)\n7ffd4ef3c000-7ffd4ef5d000 rw-p 00000000 00:00 0 \n';
    expect(parseMaps(text)).toEqual([
      {
        range: '7f0000000000-7f0000001000',
        shared: true,
        device: '00:01',
        inode: 1024,
        path: '/SYSV00000000 (deleted)',
      },
      { range: '7ffd4ef3c000-7ffd4ef5d000', shared: false, device: '00:00', inode: 0, path: '' },
    ]);
  });

  it('parseStat() survives a name with parentheses', () => {
    expect(parseStat('7 (a) (b)) S 1 2 3 34816 -1 4194560\n')).toEqual({
      name: 'a) (b)',
      state: 'S',
      parent: 1,
      group: 2,
      session: 3,
      terminal: 34816,
    });
  });

  it('parseFields() keeps the first of repeated keys, valuesOf() all', () => {
    const text =
      'pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 7 fe:00:1 0 EOF\nlock:\t2: POSIX  ADVISORY  READ 7 fe:00:1 0 9\n';
    expect(parseFields(text).get('lock')).toBe('1: FLOCK  ADVISORY  WRITE 7 fe:00:1 0 EOF');
    expect(valuesOf(text, 'lock')).toHaveLength(2);
  });

  it('parseLastColumnInodes() skips the header', () => {
    expect(parseLastColumnInodes('sk Eth Inode\n0 0 51\n0 0 x\n')).toEqual([51]);
  });

  it('parseCapabilities() reads the mask', () => {
    const set = parseCapabilities('000001fffeffffff');
    expect([set.has(21), set.has(24), set.has(40), set.has(41)]).toEqual([true, false, true, false]);
    expect(parseCapabilities('no').size).toBe(0);
  });

  it('never throw, whatever the text, and find no more entries than lines', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        ' ',
        '\n',
        ':',
        ' - ',
        '00: 0:1 0:2 0A 0:0 0 0 0 0 7',
        '1 2 3:4 / / rw',
        '7-8 rw-s 0 0:0 1 /x',
        '\\040',
        '(',
        ')',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), (words) => {
        const text = words.join('');
        const lines = text.split('\n').length;
        for (const parse of [parseMountinfo, parseInet, parseUnix, parseMaps, parseLastColumnInodes]) {
          expect(parse(text).length).toBeLessThanOrEqual(lines);
        }
        parseStat(text);
        parseFields(text);
        parseCapabilities(text);
      }),
    );
  });

  it('read back what was written', () => {
    const name = fc.string({ unit: fc.constantFrom('a', ' ', '(', ')', '\\', '\t', '/') });
    fc.assert(
      fc.property(name, fc.nat(), fc.nat(), (path, id, parent) => {
        const escaped = path.replace(/[\\ \t\n]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
        const [mount] = parseMountinfo(`${id} ${parent} 8:1 / /${escaped} rw - ext4 x rw`);
        expect(mount).toMatchObject({ id, parent, point: `/${path}` });
        expect(parseStat(`${id} (${path}) S ${parent} 2 3 0`)).toMatchObject({ name: path, parent });
      }),
    );
  });
});
