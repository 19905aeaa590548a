// What stands before a member's content: header blocks, made with the package `tar`. Two forms: the smallest that says it, and the one of
// pages, which is 4096 bytes whatever it says, so that pages begin at a multiple of the page size (docs/design/archive.md, section 1).

import { Header, type HeaderData } from 'tar';

export const BLOCK_BYTES = 512;
/** A head of pages, and what their content is aligned to. */
export const PAGES_HEAD_BYTES = 4096;
/** What ends an archive. */
export const END_BYTES = 2 * BLOCK_BYTES;

/** `hard-link`: its target is a member before it, by its name. */
export type HeadKind = 'file' | 'directory' | 'link' | 'hard-link' | 'character-device' | 'block-device' | 'fifo';

export interface MemberHead {
  /** Without a leading "./"; a directory without its trailing "/". */
  readonly name: string;
  readonly kind: HeadKind;
  /** Of the content; 0 for what is no file. */
  readonly bytes: number;
  readonly mtime: Date;
  /** Where a link leads to. */
  readonly target?: string;
  /** Permission bits. Default: 0600 and 0700. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Further pax records, such as `SCHILY.xattr.user.x`. */
  readonly records?: Readonly<Record<string, string | Uint8Array>>;
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number };
}

const CODES = {
  file: 'File',
  directory: 'Directory',
  link: 'SymbolicLink',
  'hard-link': 'Link',
  'character-device': 'CharacterDevice',
  'block-device': 'BlockDevice',
  fifo: 'FIFO',
} as const;
const MODES: Readonly<Partial<Record<HeadKind, number>>> = { directory: 0o700, link: 0o777 };
const FILE_MODE = 0o600;

/** The smallest head: one block, or a pax header in front of it when a block cannot say it. */
export function headOf(member: MemberHead): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const short = blockOf(member).encode(block);
  const own = member.records ?? {};
  if (!short && Object.keys(own).length === 0) return block;
  const records = Object.entries({ ...(short ? spelledOut(member) : {}), ...own });
  const body = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  return Buffer.concat([paxHead(member, body.length), padded(body), block]);
}

/** Exactly `headBytes`, whole blocks. Throws RangeError when the name alone is longer than that. */
export function pagesHeadOf(member: MemberHead, headBytes = PAGES_HEAD_BYTES): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const short = blockOf(member).encode(block);
  const bodyBytes = headBytes - 2 * BLOCK_BYTES;
  const said = short ? Object.entries(spelledOut(member)) : [['size', String(member.bytes)] as const];
  const records = Buffer.concat(said.map(([key, value]) => paxRecord(key, value)));
  const room = bodyBytes - records.length - `${bodyBytes} comment=\n`.length;
  // A record's length has as many digits as the whole body's, as long as it is at least 1000.
  if (room < 1000) throw new RangeError(`Cannot make the head of "${member.name}": the name is too long for one`);
  const fill = paxRecord('comment', ' '.repeat(room));
  return Buffer.concat([paxHead(member, bodyBytes), records, fill, block]);
}

/** Seven octal digits: what a block has room for. */
const LARGEST_ID = 0o7777777;

/** How many bytes of zeros follow a content of so many. */
export function paddingOf(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

function blockOf({ name, kind, bytes, mtime, target, mode, uid = 0, gid = 0, device }: MemberHead): Header {
  const header = new Header({
    path: kind === 'directory' ? `${name}/` : name,
    mode: mode ?? MODES[kind] ?? FILE_MODE,
    uid,
    gid,
    size: bytes,
    mtime: seconds(mtime),
    ...(target === undefined ? {} : { linkpath: target }),
    ...(device === undefined ? {} : { devmaj: device.major, devmin: device.minor }),
  } satisfies HeaderData);
  header.type = CODES[kind];
  return header;
}

// What a block may not have room for. Only these: what it can say it says.
function spelledOut({ name, kind, bytes, target, uid = 0, gid = 0 }: MemberHead): Readonly<Record<string, string>> {
  return {
    path: kind === 'directory' ? `${name}/` : name,
    ...(target === undefined ? {} : { linkpath: target }),
    size: String(bytes),
    ...(uid > LARGEST_ID ? { uid: String(uid) } : {}),
    ...(gid > LARGEST_ID ? { gid: String(gid) } : {}),
  };
}

function paxHead({ name, mtime }: MemberHead, bodyBytes: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  // The name is for readers that know no pax and take the records for a file.
  const path = `PaxHeaders/${name.split('/').at(-1) ?? ''}`.slice(0, 99);
  const header = new Header({ path, mode: 0o600, uid: 0, gid: 0, size: bodyBytes, mtime: seconds(mtime) });
  header.type = 'ExtendedHeader';
  header.encode(block);
  return block;
}

function seconds(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000);
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const content = Buffer.from(value);
  const rest = Buffer.byteLength(` ${key}=\n`) + content.length;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), content, Buffer.from('\n')]);
}

function padded(body: Buffer): Buffer {
  return Buffer.concat([body, Buffer.alloc(paddingOf(body.length))]);
}
