/**
 * Codecs from the tables: the notation of generations.ts, parsed once per generation.
 *
 * Rules: bincode and JSON as in core/codec.ts (integers of up to 32 bits are numbers in the node's JSON).
 */
import { assert, present } from '../core/assert.js';
import {
  bool,
  bytes,
  f64,
  fixedBytes,
  i32,
  i64,
  map,
  option,
  string,
  struct,
  u32,
  u64,
  u8,
  unitEnum,
  vec,
  type Codec,
} from '../core/codec.js';
import { Reason } from '../core/reasons.js';
import {
  GENERATIONS,
  type EnumShape,
  type Generation,
  type Shape,
  type VariantShape,
} from './generations.js';
import { UNPUBLISHED_TYPES } from './messages.js';

const PRIMITIVES: Readonly<Record<string, Codec<unknown>>> = {
  bool,
  u8,
  u32,
  i32,
  u64,
  i64,
  usize: u64,
  f64,
  String: string,
  'Vec<u8>': bytes,
  Hash: fixedBytes(32),
  CorrelationId: u64,
};

/** An enum's value; see messages.ts. */
interface NamedValue {
  readonly name: string;
  readonly value: unknown;
}

/** Builds the codecs of one generation; each type once. */
export class SchemaCodecs {
  readonly #generation: Generation;
  readonly #made = new Map<string, Codec<unknown>>(Object.entries(PRIMITIVES));

  constructor(generation: Generation) {
    this.#generation = generation;
  }

  /** The codec of a type in the tables' notation. */
  of(type: string): Codec<unknown> {
    const known = this.#made.get(type);
    if (known !== undefined) return known;
    const made = this.#make(type);
    this.#made.set(type, made);
    return made;
  }

  #make(type: string): Codec<unknown> {
    const optional = /^Option<(.+)>$/.exec(type)?.[1];
    if (optional !== undefined) return option(this.of(optional));
    const pairs = /^Vec<\((\w+), (.+)\)>$/.exec(type);
    if (pairs !== null) return vec(pair(this.of(pairs[1] ?? ''), this.of(pairs[2] ?? '')));
    const item = /^Vec<(.+)>$/.exec(type)?.[1];
    if (item !== undefined) return vec(this.of(item));
    const mapped = /^HashMap<String, (.+)>$/.exec(type)?.[1];
    if (mapped !== undefined) return map(this.of(mapped));
    if (UNPUBLISHED_TYPES.includes(type)) return unpublished(type);

    const shape = this.#generation.structs[type];
    if (shape !== undefined) return this.#struct(shape, newestShape(type));
    return this.#enum(type, present(this.#generation.enums[type], `${type} is in the tables`));
  }

  /** A field that only newer generations have is null in what is read; all such fields are options. */
  #struct(shape: Shape, newest: Shape): Codec<unknown> {
    const fields = Object.fromEntries(Object.entries(shape).map(([name, type]) => [name, this.of(type)]));
    const codec = struct<Record<string, unknown>>(fields);
    const missing = Object.entries(newest).filter(([name]) => !(name in shape));
    if (missing.length === 0) return codec;
    for (const [name, type] of missing)
      assert(type.startsWith('Option<'), `${name} has no value to stand in for it`);
    const absent = Object.fromEntries(missing.map(([name]) => [name, null]));
    return { ...codec, read: (reader) => ({ ...codec.read(reader), ...absent }) };
  }

  #enum(type: string, shape: EnumShape): Codec<unknown> {
    const names = Object.keys(shape);
    if (Object.values(shape).every((content) => content === null)) return unitEnum(type, names);
    return namedEnum(
      type,
      Object.entries(shape).map(([name, content]) => [name, this.#content(type, name, content)]),
    );
  }

  #content(type: string, name: string, content: VariantShape): Codec<unknown> | null {
    if (content === null || typeof content === 'string') return content === null ? null : this.of(content);
    const newest = GENERATIONS[0]?.enums[type]?.[name];
    return this.#struct(content, typeof newest === 'object' && newest !== null ? newest : content);
  }
}

function newestShape(type: string): Shape {
  return present(GENERATIONS[0]?.structs[type], `${type} is in the newest generation`);
}

/** (A, B): shown as a list of two. */
function pair(first: Codec<unknown>, second: Codec<unknown>): Codec<readonly [unknown, unknown]> {
  return {
    minBytes: first.minBytes + second.minBytes,
    read: (reader) => [first.read(reader), second.read(reader)],
    write: (writer, value) => {
      first.write(writer, value[0]);
      second.write(writer, value[1]);
    },
    json: (value, integers) => [first.json(value[0], integers), second.json(value[1], integers)],
  };
}

/** An enum with content: { name, value }, shown as its name or as { name: content }. */
function namedEnum(
  what: string,
  variants: readonly (readonly [string, Codec<unknown> | null])[],
): Codec<NamedValue> {
  const tags = new Map(variants.map(([name], tag) => [name, tag]));
  const empty = variants.map(([name]): NamedValue => Object.freeze({ name, value: null }));
  const contentOf = (value: NamedValue): Codec<unknown> | null =>
    present(
      variants[present(tags.get(value.name), `${what} has no ${value.name}`)],
      'a tag has a variant',
    )[1];
  return {
    minBytes: 4 + Math.min(...variants.map(([, content]) => content?.minBytes ?? 0)),
    read: (reader) => {
      const tag = reader.tag(variants.length, what);
      const [name, content] = present(variants[tag], 'a checked tag has a variant');
      if (content === null) return present(empty[tag], 'a checked tag has a variant');
      return { name, value: content.read(reader) };
    },
    write: (writer, value) => {
      writer.tag(present(tags.get(value.name), `${what} has no ${value.name}`));
      contentOf(value)?.write(writer, value.value);
    },
    json: (value, integers) => {
      const content = contentOf(value);
      return content === null ? value.name : { [value.name]: content.json(value.value, integers) };
    },
  };
}

/** Refused wherever a value of it stands; an absent option or an empty list of it is no value. */
function unpublished(type: string): Codec<never> {
  return {
    minBytes: 0,
    read: (reader) => {
      reader.fail(Reason.UnsupportedType, `the layout of ${type} was not published`);
      return undefined as never;
    },
    write: () => {
      assert(false, `a ${type} cannot be written: its layout was not published`);
    },
    json: () => {
      throw new Error(`assertion failed: a ${type} cannot be shown`);
    },
  };
}
