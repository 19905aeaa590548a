/**
 * Who moves a container. Frazil's receiver waits at the destination, as a daemon does; the others are scripts, as administrators write them around
 * runc: files first, while it runs, then a checkpoint, its images, what has changed in the files meanwhile, and runc's restore.
 */
import { PACKAGE_ROOT } from '../host/tools.js';
import { builtAt } from './frazil.js';
import {
  END_DAEMON,
  MAIN,
  METERED,
  PORT,
  placesOf,
  readReport,
  rsync,
  type Script,
  softDirty,
  tokenOf,
} from './migrate.js';
import type { ContainerMigrateJob, ContainerMigratePeer, Presence } from './peer.js';

const FRAZIL: ContainerMigratePeer = {
  name: 'frazil',
  title: 'frazil migrate --container: pre-copy, TLS',
  group: 'container-migrate',
  detect: () => builtAt(PACKAGE_ROOT, MAIN),
  receiver: ({ there: { id, root, bundle } }) => [
    ...[process.execPath, MAIN, 'receive', '--listen', `0.0.0.0:${PORT}`, '--once', '--json'],
    ...['--bundle', bundle, '--runtime-root', root, '--container', id],
  ],
  command: ({ here: { id, root }, hosts }, greeting) => ({
    argv: [
      ...[process.execPath, MAIN, 'migrate', '--container', id, '--runtime-root', root],
      ...['--to', `${hosts.address}:${PORT}`, '--when-diverging', 'stop', '--json'],
    ],
    env: { FRAZIL_TOKEN: tokenOf(greeting) },
  }),
  read: readReport,
};

// What GNU tar has seen of the files is in $COSTS/seen, so the second time it gives what has changed.
const TAR = `
carry() {
  there sh -c '"$0" take 7001 | tar -x -f - -C "$1"' "$CARRY" "$2" & taker=$!
  here sh -c 'tar -c -f - -C "$2" . | "$0" give "$1" 7001' "$CARRY" "$ADDRESS" "$1"
  wait $taker
}
files() {
  there sh -c '"$0" take 7001 | tar -x -g /dev/null -f - -C "$1"' "$CARRY" "$BUNDLE_THERE" & taker=$!
  here sh -c 'tar -c -g "$3/seen" -f - -C "$2" . | "$0" give "$1" 7001' "$CARRY" "$ADDRESS" "$BUNDLE" "$COSTS"
  wait $taker
}
`;

const RSYNC = `
printf 'use chroot = no\\nuid = 0\\ngid = 0\\n[copy]\\npath = %s\\nread only = no\\n[bundle]\\npath = %s\\nread only = no\\n' "$COPY" "$BUNDLE_THERE" >"$COSTS/rsyncd.conf"
there sh -c 'rsync --daemon --no-detach --port 7001 --config "$1/rsyncd.conf" --dparam "pidfile=$1/rsyncd.pid"; :' sh "$COSTS" & daemon=$!
carry() { here rsync -a "$1/" "rsync://$ADDRESS:7001/copy/\${2##*/}/"; }
files() { here rsync -a --delete "$BUNDLE/" "rsync://$ADDRESS:7001/bundle/"; }
`;

const VERBS = `
checkpoint() { n=$1; shift; here "$RUNC" --root "$STATE" checkpoint --image-path "$IMAGES/$n" --work-path "$IMAGES/$n" "$@" "$ID"; }
restore() {
  there "$RUNC" --root "$STATE_THERE" restore -d --image-path "$COPY/$1" --work-path "$COPY/$1" --bundle "$BUNDLE_THERE" "$ID_THERE" </dev/null >/dev/null 2>&1
}
mkdir "$IMAGES/0" "$COPY/0" "$IMAGES/1" "$COPY/1"
files
`;

const COLD = `
checkpoint 0
carry "$IMAGES/0" "$COPY/0"
files
restore 0
`;

const PRE_COPY = `
checkpoint 0 --pre-dump
carry "$IMAGES/0" "$COPY/0"
checkpoint 1 --parent-path ../0
carry "$IMAGES/1" "$COPY/1"
files
restore 1
`;

const SCRIPTS: readonly Script[] = [
  { name: 'runc-script', title: 'tar, runc checkpoint, tar, runc restore', text: TAR + VERBS + COLD, needs: [] },
  {
    name: 'runc-script-pre',
    title: 'the same after one runc checkpoint --pre-dump',
    text: TAR + VERBS + PRE_COPY,
    needs: [softDirty],
  },
  {
    name: 'runc-rsync',
    title: 'rsync (its daemon, no ssh), runc checkpoint, rsync, runc restore',
    text: RSYNC + VERBS + COLD + END_DAEMON,
    needs: [rsync],
  },
  {
    name: 'runc-rsync-pre',
    title: 'the same after one runc checkpoint --pre-dump',
    text: RSYNC + VERBS + PRE_COPY + END_DAEMON,
    needs: [rsync, softDirty],
  },
];

function scripted({ name, title, text, needs }: Script): ContainerMigratePeer {
  return {
    name,
    title,
    group: 'container-migrate',
    detect: async (context): Promise<Presence> => {
      for (const need of needs) {
        const reason = await need(context);
        if (reason !== undefined) return { kind: 'absent', reason };
      }
      return { kind: 'present', version: context.host.criuVersion };
    },
    command: (job) => ({ argv: ['sh', '-ec', METERED + text], env: { ...placesOf(job), ...containerPlaces(job) } }),
  };
}

function containerPlaces({ runc, here, there }: ContainerMigrateJob): Readonly<Record<string, string>> {
  return {
    RUNC: runc,
    ID: here.id,
    STATE: here.root,
    BUNDLE: here.bundle,
    ID_THERE: there.id,
    STATE_THERE: there.root,
    BUNDLE_THERE: there.bundle,
  };
}

export const CONTAINER_MIGRATE_PEERS: readonly ContainerMigratePeer[] = [...SCRIPTS.map(scripted), FRAZIL];
