// modules-fresh.mjs ROOT: exit status 0 when ROOT/node_modules holds what package-lock.json asks for.
// npm writes node_modules/.package-lock.json as its last step, so an interrupted install has none. It leaves out
// optional packages made for other machines; everything else must agree.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [, , root] = process.argv;
const wanted = packagesOf('package-lock.json');
const present = packagesOf('node_modules/.package-lock.json');
const fresh =
  wanted !== undefined &&
  present !== undefined &&
  Object.entries(present).every(([path, entry]) => same(entry, wanted[path])) &&
  Object.entries(wanted).every(([path, entry]) => path === '' || entry.optional === true || path in present);
process.exit(fresh ? 0 : 1);

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return undefined; // absent or cut off: not fresh
  }
}

function same(a, b) {
  return a.version === b?.version && a.integrity === b?.integrity;
}
