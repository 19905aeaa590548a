/**
 * Who works on files that lie there already: packs an images directory, decodes a pagemap, searches pages. All of them find the same files
 * in the page cache; what each leaves or prints is compared with what the files were made of.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { frazilHome } from '../../criu/locate.js';
import { PACKAGE_ROOT } from '../host/tools.js';
import { versionOf } from './archive.js';
import { builtAt, readOwnFigures } from './frazil.js';
import type { FilesPeer, Presence } from './peer.js';

const MAIN = join(PACKAGE_ROOT, 'dist/cli/main.js');
const DRIVERS = join(PACKAGE_ROOT, 'dist/bench/drivers');
const NODE = process.execPath;

const here = (): Promise<Presence> => builtAt(PACKAGE_ROOT, MAIN);

const DIRECTORY_PEERS: readonly FilesPeer[] = [
  {
    name: 'tar',
    title: 'GNU tar',
    group: 'directory',
    detect: () => versionOf('tar'),
    command: ({ input, output }) => ['tar', '-cf', output, '-C', input, 'checkpoint'],
  },
  {
    name: 'node-tar',
    title: 'the npm package tar',
    group: 'directory',
    detect: () => builtAt(PACKAGE_ROOT, join(DRIVERS, 'node-tar.js')),
    command: ({ input, output }) => [
      ...['sh', '-c', '"$1" "$2" "$3" checkpoint >"$4"', 'sh'],
      ...[NODE, join(DRIVERS, 'node-tar.js'), input, output],
    ],
  },
  {
    name: 'frazil-create',
    title: 'frazil archive create --no-digests',
    group: 'directory',
    detect: here,
    command: ({ input, output }) => [...create(input, output), '--no-digests'],
    read: readOwnFigures,
  },
  {
    name: 'frazil-create-digests',
    title: 'frazil archive create, with the digest of every member',
    group: 'directory',
    detect: here,
    command: ({ input, output }) => create(input, output),
    read: readOwnFigures,
  },
];

function create(input: string, output: string): readonly string[] {
  return [NODE, MAIN, 'archive', 'create', '-D', join(input, 'checkpoint'), '-o', output, '--json'];
}

const DECODE_PEERS: readonly FilesPeer[] = [
  {
    name: 'crit',
    title: "CRIU's crit, in Python",
    group: 'decode',
    detect: async () => {
      const found = await findCrit();
      return found === undefined
        ? { kind: 'absent', reason: 'crit is neither in the private prefix nor in PATH' }
        : { kind: 'present', version: found };
    },
    command: ({ input, output }) => [
      ...['sh', '-c', 'PATH="$1:$PATH" exec crit decode -i "$2" -o "$3"', 'sh'],
      ...[critHome(), input, output],
    ],
  },
  {
    name: 'frazil-decode',
    title: 'frazil images decode',
    group: 'decode',
    detect: here,
    command: ({ input, output }) => [NODE, MAIN, 'images', 'decode', '-i', input, '-o', output],
  },
];

function critHome(): string {
  return join(frazilHome(), 'crit/bin');
}

async function findCrit(): Promise<string | undefined> {
  for (const folder of [critHome(), ...(process.env['PATH'] ?? '').split(':')]) {
    const path = join(folder, 'crit');
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

const SEARCH_PEERS: readonly FilesPeer[] = [
  {
    name: 'grep',
    title: 'GNU grep, over the pages file, in the C locale',
    group: 'search',
    detect: () => versionOf('grep'),
    command: ({ input, needle }) => [
      ...['sh', '-c', 'LC_ALL=C exec grep -aboF -e "$1" "$2"', 'sh'],
      ...[needle, join(input, 'pages-1.img')],
    ],
  },
  {
    name: 'frazil-search',
    title: 'frazil images search',
    group: 'search',
    detect: here,
    command: ({ input, needle }) => [NODE, MAIN, 'images', 'search', input, needle, '--context', '0', '--json'],
  },
  {
    name: 'frazil-library-search',
    title: 'searchMemory() in a fresh Node process',
    group: 'search',
    detect: () => builtAt(PACKAGE_ROOT, join(DRIVERS, 'library-search.js')),
    command: ({ input, needle }) => [NODE, join(DRIVERS, 'library-search.js'), input, needle],
    read: readOwnFigures,
  },
];

export const FILES_PEERS: readonly FilesPeer[] = [...DIRECTORY_PEERS, ...DECODE_PEERS, ...SEARCH_PEERS];
