// What the documentation promises must exist: a page per error code, targets of relative links, examples that compile. And what
// the code promised for "now" must be done.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const pages = ['README.md', 'CHANGELOG.md', ...filesIn('docs', '.md')].filter((page) => existsSync(join(ROOT, page)));
const code = [
  ...filesIn('src', '.ts'),
  ...filesIn('native', '.cc'),
  ...filesIn('native', '.h'),
  ...filesIn('test', '.ts'),
];
const checks = [missingErrorPages, brokenLinks, promisesForNow, examplesThatDoNotCompile];
const problems = checks.flatMap((check) => check());

for (const problem of problems) console.error(problem);
const passed = problems.length === 0;
console.log(
  passed
    ? `${pages.length} pages: every code has its page, links resolve, examples compile`
    : `${problems.length} problems`,
);
process.exitCode = passed ? 0 : 1;

/** Each code of src/errors has docs/errors/CODE.md, and no page is left over. */
function missingErrorPages() {
  const source = read('src/errors/checkpoint-error.ts');
  const table = /export interface ErrorDetails \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? '';
  const codes = [...table.matchAll(/^ {2}readonly ([A-Z_]+):/gm)].map(([, name]) => name);
  const written = filesIn('docs/errors', '.md').map((file) => file.slice('docs/errors/'.length, -'.md'.length));
  if (codes.length === 0) return ['src/errors/checkpoint-error.ts: no error code was found there'];
  return [
    ...codes.filter((name) => !written.includes(name)).map((name) => `docs/errors/${name}.md: missing`),
    ...written.filter((name) => !codes.includes(name)).map((name) => `docs/errors/${name}.md: there is no such code`),
  ];
}

/** Relative links lead to files; a fragment leads to a heading. */
function brokenLinks() {
  return pages.flatMap((page) =>
    [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [path = '', fragment] = link.split('#');
      const target = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
      if (!existsSync(join(ROOT, target))) return [`${page}: the link "${link}" leads nowhere`];
      if (fragment === undefined || !target.endsWith('.md') || anchorsOf(target).includes(fragment)) return [];
      return [`${page}: the link "${link}" names a heading that ${target} does not have`];
    }),
  );
}

function promisesForNow() {
  return [...code, ...pages].flatMap((file) =>
    read(file)
      .split('\n')
      // The rule itself is written in backticks.
      .flatMap((line, index) => (/(?<!`)TODO\(now\)/.test(line) ? [`${file}:${index + 1}: TODO(now) is due`] : [])),
  );
}

/** Blocks opened by ```ts run are compiled against src/, where `frazil` is this package. */
function examplesThatDoNotCompile() {
  const examples = pages.flatMap((page) =>
    [...read(page).matchAll(/^```ts run\n([\s\S]*?)^```/gm)].map(([, text = '']) => ({ page, text })),
  );
  if (examples.length === 0) return [];
  const folder = mkdtempSync(join(ROOT, 'test/.docs-'));
  try {
    for (const [index, { page, text }] of examples.entries()) {
      const body = text
        .replaceAll("from 'frazil'", "from '../../src/index.js'")
        .replaceAll("from 'frazil/images'", "from '../../src/images.js'");
      writeFileSync(join(folder, `example-${index}.ts`), `// ${page}\n${body}\nexport {};\n`);
    }
    const config = { extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8', stdio: 'pipe' });
    return [];
  } catch (failure) {
    const lines = String(failure.stdout ?? failure.message)
      .split('\n')
      .filter((line) => line.includes('example-'));
    const named = lines.map((line) =>
      line.replace(/^.*example-(\d+)\.ts/, (_, index) => `${examples[Number(index)]?.page}: example`),
    );
    return named.length === 0 ? [`examples: ${String(failure.stdout ?? failure.message).slice(0, 400)}`] : named;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function anchorsOf(page) {
  return [...withoutCode(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function withoutCode(text) {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '`x`');
}

function filesIn(folder, ending) {
  const at = join(ROOT, folder);
  if (!existsSync(at)) return [];
  return readdirSync(at).flatMap((name) => {
    if (name === 'node_modules' || name.startsWith('.')) return [];
    const path = join(folder, name);
    if (statSync(join(ROOT, path)).isDirectory()) return filesIn(path, ending);
    return name.endsWith(ending) ? [path] : [];
  });
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8');
}
