// Iterations where the kernel tracks writes: one CRIU, one conversation. Each level is a PRE_DUMP whose pages go through our end of its page
// socket straight to the streams; the final dump follows on the same session and the same socket. CRIU leaves in a folder of each level what the
// next one needs (inventory.img), and we leave the pagemaps there: what the destination has, by which holes are checked. It is a tmpfs without
// a name, gone with us. docs/design/migration.md, section 2.

import type { SinkReception } from '../../addon/page-sink.js';
import type { PageSender } from '../../addon/page-streams.js';
import { datagramSocket } from '../../addon/sockets.js';
import { captureFailed } from '../../criu/capture-failed.js';
import { LOG_LEVEL, NO_FDS } from '../../criu/dump.js';
import { Held } from '../../images/held.js';
import { openDirectory } from '../../images/staging.js';
import { readDumpStats } from '../../images/stats.js';
import { encodeOptions } from '../../options/request.js';
import type { DumpOptions, PreDumpOptions } from '../../options/types.js';
import { writeConfigFile } from '../../rpc/config-file.js';
import type { Answer } from '../../rpc/session.js';
import { type Ground, openGround } from './ground.js';

export interface PreDumps extends AsyncDisposable {
  /** Sends level `number`, to its end. Rejects as preDump() does; the tree runs on in any case. */
  send(number: number, signal: AbortSignal): Promise<{ readonly frozenMs: number }>;
  /** For the final dump. */
  readonly ground: Ground;
}

export interface PreDumpsPlan {
  readonly pid: number;
  /** Path of the program. */
  readonly criu: string;
  /** Of the final dump: some are of pre-dumps, too. */
  readonly options: DumpOptions;
  readonly sender: PageSender;
}

const US_PER_MS = 1000;
const LOG_FILE = 'pre-dump.log';

export async function openPreDumps({ pid, criu, options, sender }: PreDumpsPlan): Promise<PreDumps> {
  await using opened = new Held();
  const pidfds = opened.use(datagramSocket());
  const shared = sharedOf(options);
  const { defaultConfig } = encodeOptions('preDump', shared, NO_FDS);
  const ground = await openGround({
    criu,
    defaultConfig,
    first: 0,
    opts: { track_mem: true, pidfd_store_sk: pidfds.number },
  });
  opened.defer(async () => {
    await ground[Symbol.asyncDispose]();
  });
  const held = opened.move();
  return {
    async send(number, signal) {
      const path = await ground.folder(number);
      using directory = await openDirectory(path, 'itself');
      using parent = await ground.below(number);
      const own = { images_dir_fd: directory.number, work_dir_fd: directory.number };
      const encoded = encodeOptions('preDump', { ...shared, logLevel: LOG_LEVEL }, own);
      await using config = await writeConfigFile(encoded);
      const opts = { ...encoded.opts, ...ground.opts(number), pid, log_file: LOG_FILE };
      await using serving = sender.serve(ground.pages(), parent === undefined ? {} : { parent });
      const received = serving.done.catch((error: unknown): Reception => ({ error }));
      const answer = await ground.session.exchange(
        { kind: 'PRE_DUMP', opts: config.path === undefined ? opts : { ...opts, config_file: config.path } },
        { signal },
      );
      if (answer.kind !== 'served') serving.cancel();
      const reception = await received;
      if (answer.kind !== 'served' || 'error' in reception || reception.failure !== undefined)
        throw await failed({ pid, path, signal, answer, reception, stderr: ground.session.stderr() });
      await sender.finish({ directory, signal }).done;
      const { frozen_time: frozenUs } = await readDumpStats(path);
      return { frozenMs: frozenUs / US_PER_MS };
    },
    ground,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

type Reception = SinkReception | { readonly error: unknown };

// What says how CRIU looks at the tree, and not what it is to do with what it finds.
function sharedOf({ freezeCgroup, config, defaultConfig }: DumpOptions): PreDumpOptions {
  return {
    ...(freezeCgroup === undefined ? {} : { freezeCgroup }),
    ...(config === undefined ? {} : { config }),
    ...(defaultConfig === undefined ? {} : { defaultConfig }),
  };
}

interface Failed {
  readonly pid: number;
  readonly path: string;
  readonly signal: AbortSignal;
  readonly answer: Answer<'PRE_DUMP'>;
  readonly reception: Reception;
  readonly stderr: string;
}

function failed({ pid, path, signal, answer, reception, stderr }: Failed): Promise<unknown> {
  return captureFailed({
    plan: { verb: 'pre-dump', pid, logFile: LOG_FILE },
    imagesDir: path,
    workDir: path,
    signal,
    answer,
    reception,
    stderr,
  });
}
