// CRIU's own page server as our child, for dumps that CRIU itself sends over the network. A dump of Frazil does not need it: there the
// page sink is the server.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { requestRefused } from '../errors/refused.js';
import { openDirectory } from '../images/staging.js';
import { encodeOptions } from '../options/request.js';
import type { PageServerOptions } from '../options/types.js';
import { writeConfigFile } from '../rpc/config-file.js';
import { expectServed } from '../rpc/failure.js';
import type { ExitStatus } from '../rpc/session.js';
import { openSwrk } from '../rpc/swrk.js';
import { LOG_LEVEL, NO_FDS } from './dump.js';
import { locate } from './locate.js';

export interface PageServerCall extends PageServerOptions {
  /** Gets the pagemaps and pages. */
  readonly imagesDir: string;
  /** Default: CRIU's, which is every address: nobody is asked who they are, so name one that only the peer reaches. */
  readonly address?: string;
  /** Default: CRIU chooses. */
  readonly port?: number;
  readonly criu?: string;
  readonly signal?: AbortSignal;
}

/** Serves one connection, then ends. Disposing it hangs up, and a server that nobody has connected to is left to its end. */
export interface PageServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number | undefined;
  /** How it ended: code 0 when all pages were stored. */
  readonly exited: Promise<ExitStatus>;
}

/** Starts a page server. Rejects with REQUEST_REFUSED (port taken, unwritable directory), CRIU_MISSING, CRIU_DIED, IO or ABORTED. */
export async function pageServer(call: PageServerCall): Promise<PageServer> {
  const { imagesDir, address, port = 0, criu, signal, ...options } = call;
  encodeOptions('pageServer', options, NO_FDS);
  const { path } = await locate({ criu });
  const workDir = resolve(options.workDir ?? imagesDir);
  using images = await openDirectory(resolve(imagesDir));
  using work = await openDirectory(workDir);
  const own = { images_dir_fd: images.number, work_dir_fd: work.number };
  const encoded = encodeOptions('pageServer', { logLevel: LOG_LEVEL, ...options }, own);
  await using config = await writeConfigFile(encoded);
  const session = openSwrk({ criu: path, defaultConfig: encoded.defaultConfig });
  const logFile = options.logFile ?? 'page-server.log';
  const opts = {
    ...encoded.opts,
    log_file: logFile,
    ps: { port, ...(address === undefined ? {} : { address }) },
    ...(config.path === undefined ? {} : { config_file: config.path }),
  };
  try {
    const answer = await session.exchange({ kind: 'PAGE_SERVER_CHLD', opts }, signal === undefined ? {} : { signal });
    if (answer.kind === 'refused' && signal?.aborted !== true) {
      const log = await readFile(join(workDir, logFile), 'utf8').catch(() => '');
      throw requestRefused('PAGE_SERVER_CHLD', {
        log,
        logFile: join(workDir, logFile),
        stderr: session.stderr(),
        answer,
      });
    }
    const served = expectServed(answer, { request: 'PAGE_SERVER_CHLD', signal, imagesDir });
    const exited = session
      .exchange({ kind: 'WAIT_PID', pid: served.pid })
      .then((ended) => expectServed(ended, { request: 'WAIT_PID' }).exit);
    exited.catch(() => {});
    return { pid: served.pid, port: served.port, exited, [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() };
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}
