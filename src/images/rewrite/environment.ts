// The environment of a running process is bytes in its stack, [env_start, env_end), and pointers to each variable that the process may
// have copied anywhere. So every variable stays where it is: a new value takes the room of the old one, and what is left becomes NULs.
// getenv(), process.env and /proc/PID/environ read it there. What a program has copied at its start (a shell's variables) stays.

import { type MemoryPatch, readMemory } from '../../addon/images.js';
import { imageError } from '../pagemaps.js';
import { openDirectory } from '../staging.js';
import type { Draft } from './draft.js';

const LARGEST = 16 << 20;

/** Throws REWRITE_REFUSED when no task has a variable, or a value does not fit. */
export async function rewriteEnvironment(
  draft: Draft,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const wanted = new Map(Object.entries(variables));
  if (wanted.size === 0) return;
  const found = new Set<string>();
  for (const mm of draft.matching(/^mm-\d+\.img$/)) {
    for (const variable of await environmentOf(draft, mm)) {
      const { name } = variable;
      if (!wanted.has(name)) continue;
      found.add(name);
      replace(draft, { mm, variable, value: wanted.get(name) });
    }
  }
  const absent = [...wanted.keys()].find((name) => !found.has(name));
  if (absent !== undefined)
    throw draft.refuse(
      'mm-*.img',
      `no task has the variable "${absent}", and the environment of a running process cannot grow`,
    );
}

interface Variable {
  readonly name: string;
  readonly value: string;
  readonly vaddr: bigint;
  /** Of name, sign and value, without the NUL behind. */
  readonly bytes: number;
}

interface Replacement {
  readonly mm: string;
  readonly variable: Variable;
  readonly value: string | undefined;
}

function replace(draft: Draft, { mm, variable: { name, value: old, vaddr, bytes }, value }: Replacement): void {
  if (value === old) return;
  const text = Buffer.from(value === undefined ? '' : `${name}=${value}`);
  if (text.length > bytes) {
    const room = bytes - Buffer.byteLength(`${name}=`);
    throw draft.refuse(
      mm,
      `the new value of "${name}" has ${Buffer.byteLength(value ?? '')} bytes and room for ${room}. Choose a shorter one`,
    );
  }
  const patch: MemoryPatch = { vaddr, bytes: Buffer.concat([text, Buffer.alloc(bytes - text.length)]) };
  draft.patch(mm.replace(/^mm-/, 'pagemap-'), patch);
  const now = value ?? '(taken away)';
  draft.note({ file: mm, entry: `task ${mm.replace(/\D/g, '')}`, field: `environment ${name}`, old, new: now });
}

async function environmentOf(draft: Draft, mm: string): Promise<readonly Variable[]> {
  const [entry] = await draft.entries(mm);
  if (entry?.kind !== 'mm_entry') return [];
  const { mm_env_start: start, mm_env_end: end } = entry.message;
  const length = Number(end - start);
  if (length <= 0) return [];
  if (length > LARGEST)
    throw draft.refuse(mm, `its environment of ${length} bytes is larger than any process may have`);
  const name = mm.replace(/^mm-/, 'pagemap-');
  using directory = await openDirectory(draft.imagesDir);
  const { fault, bytes } = await readMemory(directory, { name, vaddr: start, bytes: length }).done;
  if (fault !== undefined) throw imageError('read the environment in', draft.imagesDir, fault);
  return variablesIn(Buffer.from(bytes ?? []), start);
}

/** Strings that each end with a NUL. Exported for its test. */
export function variablesIn(bytes: Buffer, start: bigint): readonly Variable[] {
  const variables: Variable[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    if (end === -1) break;
    const sign = bytes.indexOf(0x3d, at);
    if (sign > at && sign < end) {
      const [name, value] = [bytes.toString('utf8', at, sign), bytes.toString('utf8', sign + 1, end)];
      variables.push({ name, value, vaddr: start + BigInt(at), bytes: end - at });
    }
    at = end + 1;
  }
  return variables;
}
