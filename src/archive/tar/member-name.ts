// Names of members as others have written them: made plain, or refused. Nothing that could leave the folder that it is extracted into.

const LONGEST_NAME = 4095;
const LONGEST_PART = 255;

export type MemberName =
  | { readonly kind: 'name'; readonly name: string }
  /** "./", which `tar cf x .` writes first. */
  | { readonly kind: 'root' }
  | { readonly kind: 'refused'; readonly why: string };

/** Without "./" in front, empty parts, or a trailing "/". */
export function memberName(written: string): MemberName {
  if (written === '') return refused('its name is empty');
  if (written.includes('\0')) return refused('its name holds a zero byte');
  // What a decoder puts in place of bytes that are no UTF-8: two such names could become one.
  if (written.includes('\ufffd')) return refused('its name is not UTF-8');
  if (written.startsWith('/')) return refused('its name is absolute');
  const parts = written.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return refused('its name leads out of the archive ("..")');
  if (parts.some((part) => Buffer.byteLength(part) > LONGEST_PART)) return refused('a part of its name is too long');
  const name = parts.join('/');
  if (Buffer.byteLength(name) > LONGEST_NAME) return refused('its name is too long');
  return name === '' ? { kind: 'root' } : { kind: 'name', name };
}

function refused(why: string): MemberName {
  return { kind: 'refused', why };
}
