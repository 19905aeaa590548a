// How a message is written down here, and what TypeScript makes of it.
//
// A field is one string: number, type, cardinality, then annotations:
//     start: '1 uint64! hex'        `!` required, `?` optional, `*` repeated (never packed: the schemas are proto2)
// The message types below are computed from these strings, so that a schema is written once. Annotations are crit's
// (hex, dev, flags:MAP, dict:MAP, ipadd, conv:NAME) and proto2 defaults (def=). The types never see annotations;
// fieldsOf() hands them out as data.

export type MessageSpec = Readonly<Record<string, string>>;

export interface Dictionary {
  readonly messages: Readonly<Record<string, MessageSpec>>;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** A number that the schema's enum does not name, as a newer CRIU may send; encoded back as it came. */
export interface UnknownEnumValue {
  readonly kind: 'unknown';
  readonly raw: number;
}

export interface ScalarTypes {
  uint32: number;
  int32: number;
  sint32: number;
  uint64: bigint;
  int64: bigint;
  sint64: bigint;
  fixed64: bigint;
  bool: boolean;
  string: string;
  bytes: Uint8Array;
}

type TypeName<Spec> = Spec extends `${number} ${infer T}!${string}`
  ? T
  : Spec extends `${number} ${infer T}?${string}`
    ? T
    : Spec extends `${number} ${infer T}*${string}`
      ? T
      : never;

type ValueOf<Name, D extends Dictionary> = Name extends keyof ScalarTypes
  ? ScalarTypes[Name]
  : Name extends keyof D['enums']
    ? (keyof D['enums'][Name] & string) | UnknownEnumValue
    : Name extends keyof D['messages']
      ? MessageOf<D, Name>
      : never;

type Keys<M, Mark extends '!' | '?' | '*'> = {
  [K in keyof M]: M[K] extends `${number} ${string}${Mark}${string}` ? K : never;
}[keyof M];

/** The plain object of one message: required fields always there, absent optional ones not at all, repeated ones as arrays. */
export type MessageOf<D extends Dictionary, Name extends keyof D['messages']> = {
  readonly [K in Keys<D['messages'][Name], '!'>]: ValueOf<TypeName<D['messages'][Name][K]>, D>;
} & {
  readonly [K in Keys<D['messages'][Name], '?'>]?: ValueOf<TypeName<D['messages'][Name][K]>, D>;
} & {
  readonly [K in Keys<D['messages'][Name], '*'>]?: readonly ValueOf<TypeName<D['messages'][Name][K]>, D>[];
};

export type ScalarName = keyof ScalarTypes;

export interface FieldPlan {
  readonly name: string;
  readonly id: number;
  readonly cardinality: 'required' | 'optional' | 'repeated';
  readonly type:
    | { readonly kind: 'scalar'; readonly name: ScalarName }
    | { readonly kind: 'enum'; readonly name: string }
    | { readonly kind: 'message'; readonly name: string };
  /** `hex`, `dev`, `flags:mmap.prot`, `def=-1`, ... in the order written. */
  readonly annotations: readonly string[];
}

const SCALARS: ReadonlySet<string> = new Set<ScalarName>([
  'uint32',
  'int32',
  'sint32',
  'uint64',
  'int64',
  'sint64',
  'fixed64',
  'bool',
  'string',
  'bytes',
]);
const CARDINALITY = { '!': 'required', '?': 'optional', '*': 'repeated' } as const;

function isScalar(name: string): name is ScalarName {
  return SCALARS.has(name);
}

function typeOf(name: string, dictionary: Dictionary): FieldPlan['type'] {
  if (isScalar(name)) return { kind: 'scalar', name };
  if (Object.hasOwn(dictionary.enums, name)) return { kind: 'enum', name };
  if (Object.hasOwn(dictionary.messages, name)) return { kind: 'message', name };
  throw new TypeError(`Cannot read the schema: no type "${name}"`);
}

/** Parses one field of the notation. Throws TypeError for a string that is not one: a mistake in our own schema. */
export function parseField(name: string, spec: string, dictionary: Dictionary): FieldPlan {
  const match = /^(\d+) (\w+)([!?*])((?: \S+)*)$/.exec(spec);
  const [, id, type, mark, annotations] = match ?? [];
  if (
    id === undefined ||
    type === undefined ||
    annotations === undefined ||
    (mark !== '!' && mark !== '?' && mark !== '*')
  )
    throw new TypeError(`Cannot read the schema: "${name}: ${spec}" is not a field`);
  return {
    name,
    id: Number(id),
    cardinality: CARDINALITY[mark],
    type: typeOf(type, dictionary),
    annotations: annotations.split(/[ ,]/).filter((word) => word !== ''),
  };
}
