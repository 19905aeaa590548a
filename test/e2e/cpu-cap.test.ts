// What CRIU makes of --cpu-cap, asked by `cpuinfo check` with images of CPUs that each lack one thing of this one: the status says
// which capabilities it compared.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { cpuCapabilities } from '../../src/options/cpu-capabilities.js';
import type { CpuCapability } from '../../src/options/types.js';
import { decodeEntry, type Entry, encodeEntry } from '../../src/schema/images.js';
import { CRIU_42 } from '../helpers/criu-cli.js';
import { testWith } from '../helpers/needs.js';
import { type TempDir, tempDir } from '../helpers/temp-dir.js';

type Cpu = NonNullable<Entry<'cpuinfo_entry'>['x86_entry']>[number];
const HEADER_BYTES = 12;
const LENGTH_AT = 8;

// Of a CPU that differs in this, and what notices it: "cpu" compares every feature, "ins" those of instructions, "fpu" the state's size.
const OTHERS: Readonly<Record<string, (cpu: Cpu) => Cpu>> = {
  // A feature of Transmeta's.
  cpu: (cpu) => withFeature(cpu, 2, 0),
  // AVX-512 ER, which only Xeon Phi had.
  ins: (cpu) => withFeature(cpu, 9, 27),
  fpu: (cpu) => ({ ...cpu, xsave_size: (cpu.xsave_size ?? 0) + 64 }),
};

function withFeature(cpu: Cpu, word: number, bit: number): Cpu {
  return {
    ...cpu,
    capability: (cpu.capability ?? []).map((bits, i) => (i === word ? (bits | (1 << bit)) >>> 0 : bits)),
  };
}

function prepare(dir: TempDir): void {
  execFileSync(CRIU_42.path, ['cpuinfo', 'dump', '-D', dir.folder('this')]);
  const image = readFileSync(join(dir.path, 'this/cpuinfo.img'));
  const [cpu] = decodeEntry('cpuinfo_entry', image.subarray(HEADER_BYTES)).x86_entry ?? [];
  if (cpu === undefined) throw new TypeError('cpuinfo.img holds no x86 CPU');
  for (const [name, change] of Object.entries(OTHERS)) {
    const body = encodeEntry('cpuinfo_entry', { x86_entry: [change(cpu)] });
    const length = Buffer.alloc(HEADER_BYTES - LENGTH_AT);
    length.writeUInt32LE(body.length);
    writeFileSync(join(dir.folder(name), 'cpuinfo.img'), Buffer.concat([image.subarray(0, LENGTH_AT), length, body]));
  }
}

/** The capabilities that criu compares, or undefined when it refuses the words. */
function asked(dir: TempDir, flags: readonly string[]): readonly CpuCapability[] | undefined {
  const accepts = (name: string): boolean =>
    spawnSync(CRIU_42.path, ['cpuinfo', 'check', '-D', join(dir.path, name), ...flags]).status === 0;
  if (!accepts('this')) return undefined;
  const fpu = !accepts('fpu');
  const cpu = !accepts('cpu');
  // With "cpu" the instructions are compared in any case: what remains to be seen is the rest.
  const ins = cpu ? undefined : !accepts('ins');
  return (['fpu', 'cpu', ...(ins === undefined ? [] : ['ins' as const])] as const).filter(
    (one) => ({ fpu, cpu, ins })[one] === true,
  );
}

function ours(values: readonly (string | undefined)[]): readonly CpuCapability[] | undefined {
  try {
    return values.reduce<readonly CpuCapability[] | undefined>(
      (before, text) => cpuCapabilities.parse(text, before),
      undefined,
    );
  } catch {
    return undefined;
  }
}

// What criu cannot tell apart is left out of ours too.
const visible = (chosen: readonly CpuCapability[] | undefined): readonly CpuCapability[] | undefined =>
  chosen?.includes('cpu') === true ? chosen.filter((one) => one !== 'ins') : chosen;

const EXAMPLES: readonly (readonly (string | undefined)[])[] = [
  ['none,fpu'],
  ['^fpu'],
  ['none', 'cpu'],
  ['^ins,cpu'],
  ['^fpu,cpu'],
  [undefined],
  ['image'],
];

describe('--cpu-cap', () => {
  testWith([CRIU_42.here], 'means to the option table what it means to criu', async () => {
    await using dir = tempDir('tmpfs');
    prepare(dir);
    const piece = fc.constantFrom('^', ',', ',', 'fpu', 'cpu', 'ins', 'all', 'none', 'image', 'f');
    const value = fc.option(
      fc.array(piece, { minLength: 1, maxLength: 5 }).map((all) => all.join('')),
      { nil: undefined },
    );
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(value, { maxLength: 2 }), (values) => {
        const chosen = ours(values);
        // An empty list is nothing to compare, which criu takes for a mistake of the image; route() gives it to criu.
        fc.pre(chosen === undefined || chosen.length > 0);
        const flags = values.map((text) => (text === undefined ? '--cpu-cap' : `--cpu-cap=${text}`));
        expect(asked(dir, flags), flags.join(' ')).toEqual(values.length === 0 ? ['fpu', 'ins'] : visible(chosen));
        seen.add(String(chosen));
      }),
      { numRuns: 60, examples: EXAMPLES.map((words) => [[...words]]) },
    );
    expect([...seen]).toEqual(
      expect.arrayContaining(['fpu', 'ins', 'cpu', 'fpu,cpu', 'cpu,ins', 'fpu,cpu,ins', 'undefined']),
    );
  });
});
