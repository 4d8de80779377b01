/**
 * Codecs as values: one declaration of a wire type gives its reader, its writer and its JSON form.
 *
 * Rules: bincode as in bincode.ts; JSON as in the vectors' README (bytes are hex, 64-bit integers are decimal
 * strings, an enum without fields is its name and another { name: fields }, names in snake_case).
 * A reader never throws on input; see BincodeReader.
 */
import { assert, present } from './assert.js';
import { BincodeReader, BincodeWriter, type DecodeFailure } from './bincode.js';
import { toHex } from './bytes.js';
import { NODE_ID_BYTES, type NodeId } from './ids.js';
import { Reason } from './reasons.js';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** For JSON.stringify: 64-bit integers as decimal strings. */
export function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

/** How integers of up to 32 bits are shown: the mesh vectors write them as text, the node's as numbers. */
export type SmallIntegers = 'text' | 'number';

/** Reads, writes and shows one type. Holds no state: any thread may use it. */
export interface Codec<T> {
  /** The fewest bytes that a value can take. */
  readonly minBytes: number;
  read(reader: BincodeReader): T;
  write(writer: BincodeWriter, value: T): void;
  json(value: T, integers: SmallIntegers): Json;
}

/** A value, or why the bytes are none. */
export type Decoded<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: DecodeFailure };

/** Decodes the whole input: bytes left over are refused. */
export function decode<T>(codec: Codec<T>, input: Uint8Array): Decoded<T> {
  const reader = new BincodeReader(input);
  const value = codec.read(reader);
  reader.end();
  return reader.failure === null ? { ok: true, value } : { ok: false, failure: reader.failure };
}

/** The bytes of a value. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new BincodeWriter();
  codec.write(writer, value);
  return writer.finish();
}

/** Calls with the bytes of a value, which are valid during the call alone: for what goes into other bytes at once. */
export function withEncoded<T, R>(codec: Codec<T>, value: T, use: (bytes: Uint8Array) => R): R {
  const writer = new BincodeWriter();
  codec.write(writer, value);
  return writer.lend(use);
}

function small(
  minBytes: number,
  read: (reader: BincodeReader) => number,
  write: (writer: BincodeWriter, value: number) => void,
): Codec<number> {
  return {
    minBytes,
    read,
    write,
    json: (value, integers) => (integers === 'text' ? String(value) : value),
  };
}

export const u8: Codec<number> = small(
  1,
  (reader) => reader.u8(),
  (writer, value) => {
    writer.u8(value);
  },
);
export const u16: Codec<number> = small(
  2,
  (reader) => reader.u16(),
  (writer, value) => {
    writer.u16(value);
  },
);
export const u32: Codec<number> = small(
  4,
  (reader) => reader.u32(),
  (writer, value) => {
    writer.u32(value);
  },
);
export const i32: Codec<number> = small(
  4,
  (reader) => reader.i32(),
  (writer, value) => {
    writer.i32(value);
  },
);

export const u64: Codec<bigint> = {
  minBytes: 8,
  read: (reader) => reader.u64(),
  write: (writer, value) => {
    writer.u64(value);
  },
  json: String,
};

export const i64: Codec<bigint> = {
  minBytes: 8,
  read: (reader) => reader.i64(),
  write: (writer, value) => {
    writer.i64(value);
  },
  json: String,
};

/** JSON has no NaN and no infinity: those are shown by name. */
export const f64: Codec<number> = {
  minBytes: 8,
  read: (reader) => reader.f64(),
  write: (writer, value) => {
    writer.f64(value);
  },
  json: (value) => (Number.isFinite(value) ? value : String(value)),
};

export const bool: Codec<boolean> = {
  minBytes: 1,
  read: (reader) => reader.bool(),
  write: (writer, value) => {
    writer.bool(value);
  },
  json: (value) => value,
};

export const string: Codec<string> = {
  minBytes: 8,
  read: (reader) => reader.string(),
  write: (writer, value) => {
    writer.string(value);
  },
  json: (value) => value,
};

/** Vec<u8>. */
export const bytes: Codec<Uint8Array> = {
  minBytes: 8,
  read: (reader) => reader.bytes(),
  write: (writer, value) => {
    writer.bytes(value);
  },
  json: toHex,
};

/** [u8; length]. */
export function fixedBytes(length: number): Codec<Uint8Array> {
  return {
    minBytes: length,
    read: (reader) => reader.fixed(length),
    write: (writer, value) => {
      assert(value.length === length, `${length} bytes wanted, ${value.length} given`);
      writer.fixed(value);
    },
    json: toHex,
  };
}

export const nodeId: Codec<NodeId> = fixedBytes(NODE_ID_BYTES) as Codec<NodeId>;

export function option<T>(inner: Codec<T>): Codec<T | null> {
  return {
    minBytes: 1,
    read: (reader) => (reader.option() ? inner.read(reader) : null),
    write: (writer, value) => {
      writer.bool(value !== null);
      if (value !== null) inner.write(writer, value);
    },
    json: (value, integers) => (value === null ? null : inner.json(value, integers)),
  };
}

export function vec<T>(inner: Codec<T>): Codec<readonly T[]> {
  return {
    minBytes: 8,
    read: (reader) => {
      const length = reader.length(inner.minBytes);
      const items: T[] = [];
      for (let i = 0; i < length && !reader.failed(); i++) items.push(inner.read(reader));
      return items;
    },
    write: (writer, value) => {
      writer.length(value.length);
      for (const item of value) inner.write(writer, item);
    },
    json: (value, integers) => value.map((item) => inner.json(item, integers)),
  };
}

/**
 * HashMap<String, V>: pairs in any order, kept in the order met, so that what was read is written back alike.
 * The same key twice is refused: the two sides would disagree on which one holds.
 */
export function map<V>(inner: Codec<V>): Codec<ReadonlyMap<string, V>> {
  return {
    minBytes: 8,
    read: (reader) => {
      const count = reader.length(string.minBytes + inner.minBytes);
      const pairs = new Map<string, V>();
      for (let i = 0; i < count && !reader.failed(); i++) {
        const at = reader.offset;
        const key = reader.string();
        if (pairs.has(key) && !reader.failed())
          reader.fail(Reason.DuplicateKey, 'a map has the same key twice', at);
        pairs.set(key, inner.read(reader));
      }
      return pairs;
    },
    write: (writer, value) => {
      writer.length(value.size);
      for (const [key, item] of value) {
        writer.string(key);
        inner.write(writer, item);
      }
    },
    json: (value, integers) => {
      // defineProperty semantics: a key such as __proto__ stays a key.
      return Object.fromEntries([...value].map(([key, item]) => [key, inner.json(item, integers)]));
    },
  };
}

/** The codecs of a struct's fields, in wire order. Names in camelCase are shown in snake_case. */
export type Fields<T> = { readonly [K in keyof T]-?: Codec<T[K]> };

interface Field {
  readonly key: string;
  readonly shown: string;
  readonly codec: Codec<unknown>;
}

export function struct<T extends object>(fields: Fields<T>): Codec<T> {
  const list: Field[] = Object.entries<Codec<unknown>>(fields as Record<string, Codec<unknown>>).map(
    ([key, codec]) => ({
      key,
      shown: snakeCase(key),
      codec,
    }),
  );
  return {
    minBytes: list.reduce((sum, field) => sum + field.codec.minBytes, 0),
    read: (reader) => {
      const value: Record<string, unknown> = {};
      let isWhole = !reader.failed();
      for (const field of list) {
        value[field.key] = field.codec.read(reader);
        if (isWhole && reader.failed()) {
          reader.nameFault(field.shown);
          isWhole = false;
        }
      }
      return value as T;
    },
    write: (writer, value) => {
      const record = value as Record<string, unknown>;
      for (const field of list) field.codec.write(writer, record[field.key]);
    },
    json: (value, integers) => {
      const record = value as Record<string, unknown>;
      return Object.fromEntries(
        list.map((field) => [field.shown, field.codec.json(record[field.key], integers)]),
      );
    },
  };
}

/** An enum without fields; `names` in tag order. */
export function unitEnum<N extends string>(what: string, names: readonly N[]): Codec<N> {
  const tags = new Map<string, number>(names.map((name, tag) => [name, tag]));
  return {
    minBytes: 4,
    read: (reader) => present(names[reader.tag(names.length, what)], 'a checked tag has a name'),
    write: (writer, value) => {
      writer.tag(present(tags.get(value), `${what} has no ${value}`));
    },
    json: (value) => value,
  };
}

/** A value of an enum with fields: the variant's name in `kind`, its fields beside it. */
export interface Variant {
  readonly kind: string;
}

/** The codecs of an enum's variants, in tag order: each for the fields without `kind`. */
export type Variants<T extends Variant> = {
  readonly [K in T['kind']]: Codec<Omit<Extract<T, { readonly kind: K }>, 'kind'>>;
};

/** An enum whose variants have fields. */
export function taggedEnum<T extends Variant>(what: string, variants: Variants<T>): Codec<T> {
  const list = Object.entries(variants as Record<string, Codec<object>>).map(([kind, codec]) => ({
    kind,
    codec,
  }));
  const tags = new Map(list.map(({ kind }, tag) => [kind, tag]));
  const variantOf = (value: T): { tag: number; codec: Codec<object> } => {
    const tag = present(tags.get(value.kind), `${what} has no ${value.kind}`);
    return { tag, codec: present(list[tag], 'a tag has a codec').codec };
  };
  return {
    minBytes: 4 + Math.min(...list.map(({ codec }) => codec.minBytes)),
    read: (reader) => {
      const variant = present(list[reader.tag(list.length, what)], 'a checked tag has a codec');
      const value: Variant = { kind: variant.kind, ...variant.codec.read(reader) };
      return value as T;
    },
    write: (writer, value) => {
      const { tag, codec } = variantOf(value);
      writer.tag(tag);
      codec.write(writer, value);
    },
    json: (value, integers) => ({ [value.kind]: variantOf(value).codec.json(value, integers) }),
  };
}

/** paymentProof -> payment_proof. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
