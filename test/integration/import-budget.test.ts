// What starting costs is counted in modules, not in milliseconds: a machine may be slow, but it loads the same files. The lists say what
// a program that only imports, and a command that only answers, must not pay for; a number that grows is to be looked at, not raised.

import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { taskOf } from '../helpers/procfs.js';
import { tempDir } from '../helpers/temp-dir.js';
import { until } from '../helpers/until.js';
import { buildCli, MAIN } from './cli/programs.js';

const DIST = new URL('.', pathToFileURL(join(MAIN, '../../x')));
const dir = tempDir();
beforeAll(buildCli, 120_000);
afterAll(() => dir[Symbol.asyncDispose]());

interface Loaded {
  /** Of Frazil, below dist/, in order. */
  readonly ours: readonly string[];
  /** Of others, CommonJS and addons too. */
  readonly others: readonly string[];
}

// Hooks see what is imported; what is required, process.dlopen() included, is seen by the loader of CommonJS.
const HOOKS = `
import { writeSync } from 'node:fs';
export async function load(url, context, next) {
  writeSync(3, url + '\\n');
  return next(url, context);
}`;
const REGISTER = `
import { writeSync } from 'node:fs';
import Module, { register } from 'node:module';
register('./hooks.mjs', import.meta.url);
const load = Module._load;
Module._load = function (request, ...rest) {
  if (!Module.isBuiltin(request)) writeSync(3, 'required:' + request + '\\n');
  return load.call(this, request, ...rest);
};`;

async function loadedBy(...argv: readonly string[]): Promise<Loaded> {
  writeFileSync(join(dir.path, 'hooks.mjs'), HOOKS);
  writeFileSync(join(dir.path, 'register.mjs'), REGISTER);
  const child = spawn(process.execPath, ['--import', join(dir.path, 'register.mjs'), ...argv], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', FRAZIL_CRIU: CRIU_42.path },
  });
  let text = '';
  child.stdio[3]?.on('data', (bytes) => {
    text += String(bytes);
  });
  await new Promise((resolve) => child.once('close', resolve));
  const seen = [...new Set(text.split('\n'))].filter((line) => line !== '' && !line.startsWith('node:'));
  const prefix = DIST.href;
  return {
    ours: seen.filter((url) => url.startsWith(prefix)).map((url) => url.slice(prefix.length)),
    others: seen.filter((url) => !url.startsWith(prefix) && !url.includes('register.mjs')),
  };
}

// What only some calls need: each is loaded when it is first asked for.
const HEAVY = /^(schema\/images|criu\/(doctor|capture|restoring|ask|page-server)|bench\/|images\/|cli\/)/;

const entry = (name: string): readonly string[] => ['-e', `import(${JSON.stringify(new URL(name, DIST).href)})`];

describe('what is loaded', () => {
  it("by import 'frazil': options, errors and verbs, no addon, no codec, no dependency", async () => {
    const { ours, others } = await loadedBy(...entry('index.js'));
    expect(ours).toContain('index.js');
    expect(ours.filter((name) => HEAVY.test(name) || /^(addon|rpc|schema|pages)\//.test(name))).toEqual([]);
    expect(others).toEqual([]);
    // 38 for dump, restore and what is asked of CRIU; archives brought 11, migration 5, containers 2.
    expect(ours.length).toBeLessThanOrEqual(56);
  });

  it("by import 'frazil/session': the two sessions, no image schemas, no verb, no dependency", async () => {
    const { ours, others } = await loadedBy(...entry('session.js'));
    expect(ours).toContain('rpc/swrk.js');
    expect(ours.filter((name) => HEAVY.test(name) || /^(criu|errors\/(rules|explain))/.test(name))).toEqual([]);
    expect(others).toEqual([]);
    expect(ours.length).toBeLessThanOrEqual(36);
  });

  it("by import 'frazil/images': codec, schemas and explorers, no addon, no verb, no dependency before the first image", async () => {
    const { ours, others } = await loadedBy(...entry('images.js'));
    expect(ours).toContain('images/codec/decode.js');
    expect(ours.filter((name) => /^(addon|rpc|criu|pages|cli)\//.test(name))).toEqual([]);
    expect(others).toEqual([]);
    expect(ours.length).toBeLessThanOrEqual(48);
  });

  // Three of them are the table of own options, which is in four files, and what reads a size in it.
  it.each([
    ['--version', 24],
    ['dump --help', 34],
    ['dmup', 21],
  ])('by frazil %s: parser and table, no verb of the library, no addon', async (line, most) => {
    const { ours, others } = await loadedBy(MAIN, ...line.split(' '));
    expect(ours).toContain('cli/run.js');
    expect(ours.filter((name) => /^(addon|rpc|schema|pages|images|bench|errors\/rules)\//.test(name))).toEqual([]);
    expect(ours.filter((name) => /^criu\//.test(name) && !/locate|find-program/.test(name))).toEqual([]);
    expect(others).toEqual([]);
    expect(ours.length).toBeLessThanOrEqual(most);
  });

  testWith([CRIU_42.here], 'by a dump that succeeds: nothing of a failure, of a restore, of the doctor', async () => {
    const target = spawn('setsid', ['sleep', '1000'], { stdio: 'ignore' });
    try {
      await until('it runs', () => taskOf(target.pid ?? 0)?.name === 'sleep');
      const images = dir.folder('images');
      const { ours, others } = await loadedBy(MAIN, 'dump', '-R', '-t', String(target.pid), '-D', images);
      expect(existsSync(join(images, 'inventory.img'))).toBe(true);
      const idle = /^(errors\/(rules|explain|refused)|criu\/(doctor|restor|ask|explain|unlock|capture-failed)|bench)/;
      expect(ours.filter((name) => idle.test(name))).toEqual([]);
      expect(others.filter((name) => !/frazil\.node$|protobufjs|^required:(long$|\.)/.test(name))).toEqual([]);
      expect(others.filter((name) => /frazil\.node$/.test(name))).not.toEqual([]);
      // 99, what parses the options of archives, of image verbs, of migrations and of a rewriting restore, and where CRIU's answers are kept.
      expect(ours.length).toBeLessThanOrEqual(117);
    } finally {
      target.kill('SIGKILL');
    }
  });
});
