// Lets node run our sources as they are: `node --import ./test/helpers/ts-hooks.mjs FILE.ts`. For tests that need a process of their
// own, to be killed or to stand on a terminal, without building anything first.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

// The hooks run in a thread of Node's; only the program's own thread asks for them.
if (isMainThread) register(import.meta.url);

/** './x.js' is './x.ts' where there is no such JavaScript. */
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (reason) {
    if (!specifier.startsWith('.') || !specifier.endsWith('.js')) throw reason;
    return await next(specifier.replace(/\.js$/, '.ts'), context);
  }
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return await next(url, context);
  return { format: 'module', source: await javascriptOf(readFileSync(new URL(url), 'utf8')), shortCircuit: true };
}

// Compiled once for all runs: loading the compiler alone takes a second.
const CACHE = join(tmpdir(), `frazil-ts-${process.getuid()}`);

async function javascriptOf(source) {
  const file = join(CACHE, createHash('sha256').update(source).digest('hex'));
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
  });
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.${process.pid}`, outputText);
  renameSync(`${file}.${process.pid}`, file);
  return outputText;
}
