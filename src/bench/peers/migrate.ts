/**
 * Who moves a tree. Frazil's receiver waits at the destination, as a daemon does; the others are scripts, as administrators write them, whose
 * commands at the destination start at once and cost the network nothing, where a real one has ssh. All are measured by the tree
 * itself, by the device of the link, and by meters around every command on either side.
 */
import { join } from 'node:path';
import { findProgram } from '../../criu/find-program.js';
import { PACKAGE_ROOT } from '../host/tools.js';
import type { Figures } from '../model.js';
import { builtAt } from './frazil.js';
import type { Context, MigrateJob, MigratePeer, Presence } from './peer.js';

export const MAIN = join(PACKAGE_ROOT, 'dist/cli/main.js');
export const PORT = 7878;

interface Mode {
  readonly name: string;
  readonly title: string;
  readonly options: readonly string[];
}

/** Ways of Frazil. */
const MODES: readonly Mode[] = [
  { name: 'frazil', title: 'frazil migrate: pre-copy, TLS', options: ['--when-diverging', 'stop'] },
  { name: 'frazil-cold', title: 'frazil migrate --max-iterations 0: cold, TLS', options: ['--max-iterations', '0'] },
  { name: 'frazil-post-copy', title: 'frazil migrate --mode post-copy, TLS', options: ['--mode', 'post-copy'] },
  { name: 'frazil-hybrid', title: 'frazil migrate --mode hybrid, TLS', options: ['--mode', 'hybrid'] },
];

function frazil({ name, title, options }: Mode): MigratePeer {
  return {
    name,
    title,
    group: 'migrate',
    detect: () => builtAt(PACKAGE_ROOT, MAIN),
    receiver: () => [process.execPath, MAIN, 'receive', '--listen', `0.0.0.0:${PORT}`, '--once', '--json'],
    command: ({ pid, hosts }, greeting) => ({
      argv: [
        process.execPath,
        MAIN,
        'migrate',
        '-t',
        String(pid),
        '--to',
        `${hosts.address}:${PORT}`,
        ...options,
        '--json',
      ],
      env: { FRAZIL_TOKEN: tokenOf(greeting) },
    }),
    read: readReport,
  };
}

/** From what `frazil receive --json` says first. */
export function tokenOf(greeting: string): string {
  const said: unknown = JSON.parse(greeting);
  return typeof said === 'object' && said !== null ? String(Reflect.get(said, 'token')) : '';
}

/** From what `frazil migrate --json` says last. */
export function readReport(stdout: string): Figures {
  const parsed: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  const { downtimeMs, predictedDowntimeMs, iterations, mode }: Readonly<Record<string, unknown>> =
    typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
  const us = (ms: unknown): number | undefined => (typeof ms === 'number' ? ms * 1000 : undefined);
  const ownDowntime = us(downtimeMs);
  // What is predicted is the downtime of a tree that arrives whole, from what iterations have shown.
  const predicted = mode === 'pre-copy' ? us(predictedDowntimeMs) : undefined;
  return {
    ...(ownDowntime === undefined ? {} : { ownDowntime }),
    ...(predicted === undefined ? {} : { predicted }),
    ...(Array.isArray(iterations) ? { iterations: iterations.length } : {}),
  };
}

/** For a script: `$COSTS` gets a line of the meter for each command, by side. */
export const METERED = `
here() { "$RUN" -- "$@" 3>>"$COSTS/here"; }
there() { $THERE "$RUN" -- "$@" 3>>"$COSTS/there"; }
`;

const PRELUDE = `${METERED}
restore() { there "$CRIU" restore -d -D "$COPY/$1" -o restore.log; }
`;

// The page server says that it listens on its status fd; the other files follow through a connection of their own, whose taker waits already.
const PAGE_SERVER = `
take() {
  mkdir -p "$IMAGES/$1" "$COPY/$1"; mkfifo "$COSTS/up$1"
  there "$CRIU" page-server -D "$COPY/$1" $2 --port 7001 -o server.log --status-fd 9 9>"$COSTS/up$1" & server=$!
  there sh -c '"$0" take 7002 | tar -x -f - -C "$1"' "$CARRY" "$COPY/$1" & taker=$!
  head -c1 "$COSTS/up$1" >/dev/null
}
give() {
  here sh -c 'tar -c -f - -C "$3" . | "$0" give "$1" "$2"' "$CARRY" "$ADDRESS" 7002 "$IMAGES/$1"
  wait $server $taker
}
remote="--page-server --address $ADDRESS --port 7001"
`;

const RSYNC = `
printf 'use chroot = no\\nuid = 0\\ngid = 0\\n[copy]\\npath = %s\\nread only = no\\n' "$COPY" >"$COSTS/rsyncd.conf"
there sh -c 'rsync --daemon --no-detach --port 7001 --config "$1/rsyncd.conf" --dparam "pidfile=$1/rsyncd.pid"; :' sh "$COSTS" & daemon=$!
take() { mkdir -p "$IMAGES/$1"; }
give() { here rsync -a "$IMAGES/" "rsync://$ADDRESS:7001/copy/"; }
remote=
`;

const COLD = `
take 0 ""
here "$CRIU" dump -t "$PID" -D "$IMAGES/0" $remote -o dump.log
give 0
restore 0
`;

const PRE_COPY = `
take 0 ""
here "$CRIU" pre-dump -t "$PID" -D "$IMAGES/0" --track-mem $remote -o dump.log
give 0
take 1 "--prev-images-dir ../0"
here "$CRIU" dump -t "$PID" -D "$IMAGES/1" --track-mem --prev-images-dir ../0 $remote -o dump.log
give 1
restore 1
`;

export interface Script {
  readonly name: string;
  readonly title: string;
  readonly text: string;
  readonly needs: readonly ((context: Context) => Promise<string | undefined>)[];
}

export const softDirty = async ({ host }: Context): Promise<string | undefined> =>
  host.softDirty ? undefined : 'this kernel does not track writes (soft-dirty), without which CRIU cannot pre-dump';
export const rsync = async (): Promise<string | undefined> =>
  (await findProgram('rsync')) === undefined ? 'rsync is not installed' : undefined;
/** Within the destination, so that the meter there says what it has cost. */
export const END_DAEMON = '\n$THERE sh -c \'kill "$(cat "$0/rsyncd.pid")"\' "$COSTS"; wait $daemon\n';

const SCRIPTS: readonly Script[] = [
  {
    name: 'criu-script',
    title: 'criu dump to criu page-server, tar, criu restore',
    text: PAGE_SERVER + COLD,
    needs: [],
  },
  {
    name: 'criu-script-pre',
    title: 'the same after one criu pre-dump',
    text: PAGE_SERVER + PRE_COPY,
    needs: [softDirty],
  },
  {
    name: 'rsync-script',
    title: 'criu dump, rsync (its daemon, no ssh), criu restore',
    text: RSYNC + COLD + END_DAEMON,
    needs: [rsync],
  },
  {
    name: 'rsync-script-pre',
    title: 'the same after one criu pre-dump',
    text: RSYNC + PRE_COPY + END_DAEMON,
    needs: [rsync, softDirty],
  },
];

function scripted({ name, title, text, needs }: Script): MigratePeer {
  return {
    name,
    title,
    group: 'migrate',
    detect: async (context): Promise<Presence> => {
      for (const need of needs) {
        const reason = await need(context);
        if (reason !== undefined) return { kind: 'absent', reason };
      }
      return { kind: 'present', version: context.host.criuVersion };
    },
    command: (job) => ({ argv: ['sh', '-c', PRELUDE + text], env: placesOf(job) }),
  };
}

/** What a script finds in its environment. */
export function placesOf({
  host,
  tools,
  pid,
  hosts,
  imagesDir,
  copyDir,
  workDir,
}: MigrateJob): Readonly<Record<string, string>> {
  return {
    CRIU: host.criuPath,
    RUN: tools.run,
    CARRY: tools.carry,
    PID: String(pid),
    THERE: hosts.destination.join(' '),
    ADDRESS: hosts.address,
    IMAGES: imagesDir,
    COPY: copyDir,
    COSTS: workDir,
  };
}

export const MIGRATE_PEERS: readonly MigratePeer[] = [...SCRIPTS.map(scripted), ...MODES.map(frazil)];
