/**
 * What a configuration option can be: how it is read from a TOML value or from the text of an environment variable,
 * what is allowed, and how both are shown to a person. The table of options itself is in schema.ts.
 */
import { LIMITS } from '../core/limits.js';
import type { TextKind } from './kinds.js';

/** Which TOML value an option takes. It decides how the text of an environment variable is understood. */
export type OptionShape = 'boolean' | 'integer' | 'text' | 'list';

/** A value, or that it is not allowed; `at` names the item at fault where it is one of a list or a table. */
export type OptionReading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly at?: string; readonly found?: unknown };

/** One option. Declared once; validation, docs/config.md and module.toml come from it. */
export interface Option<T> {
  readonly shape: OptionShape;
  /** The value where nothing is configured; a function where it depends on the machine. */
  readonly fallback: T | (() => T);
  /** The default as docs/config.md shows it. */
  readonly fallbackText: string;
  /** What is allowed, to stand behind "allowed:". */
  readonly allowed: string;
  /** What it does, in a sentence or two. */
  readonly doc: string;
  /** Reads a TOML value (integers are bigint). Never throws. */
  read(raw: unknown): OptionReading<T>;
}

/** Whether something is a TOML table. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The value of an option that nobody configured. */
export function fallbackOf<T>(option: Option<T>): T {
  const { fallback } = option;
  return typeof fallback === 'function' ? (fallback as () => T)() : fallback;
}

export function booleanOption(fallback: boolean, doc: string): Option<boolean> {
  return {
    shape: 'boolean',
    fallback,
    fallbackText: String(fallback),
    allowed: 'true or false',
    doc,
    read: (raw) => (typeof raw === 'boolean' ? { ok: true, value: raw } : { ok: false }),
  };
}

interface IntegerRange {
  readonly low: number;
  readonly high: number;
  readonly fallback: number | (() => number);
  /** Needed where the fallback is a function. */
  readonly fallbackText?: string;
  readonly unit: string;
}

export function integerOption(range: IntegerRange, doc: string): Option<number> {
  const { low, high, fallback, unit } = range;
  return {
    shape: 'integer',
    fallback,
    fallbackText: range.fallbackText ?? String(typeof fallback === 'number' ? fallback : fallback()),
    allowed: `a whole number from ${low} to ${high} (${unit})`,
    doc,
    read: (raw) => {
      if (typeof raw !== 'bigint' || raw < BigInt(low) || raw > BigInt(high)) return { ok: false };
      return { ok: true, value: Number(raw) };
    },
  };
}

/** An amount: 64-bit in the domain. */
export function amountOption(high: bigint, fallback: bigint, unit: string, doc: string): Option<bigint> {
  return {
    shape: 'integer',
    fallback,
    fallbackText: String(fallback),
    allowed: `a whole number from 0 to ${String(high)} (${unit})`,
    doc,
    read: (raw) =>
      typeof raw === 'bigint' && raw >= 0n && raw <= high ? { ok: true, value: raw } : { ok: false },
  };
}

export function choiceOption<T extends string>(choices: readonly T[], fallback: T, doc: string): Option<T> {
  return {
    shape: 'text',
    fallback,
    fallbackText: JSON.stringify(fallback),
    allowed: `one of ${choices.map((choice) => JSON.stringify(choice)).join(', ')}`,
    doc,
    read: (raw) => {
      const value = choices.find((choice) => choice === raw);
      return value === undefined ? { ok: false } : { ok: true, value };
    },
  };
}

/** A text that may be left out: unset and `""` both mean none. */
export function textOption<T>(kind: TextKind<T>, fallbackText: string, doc: string): Option<T | null> {
  const fallback = fallbackText === '' ? null : kind.parse(fallbackText);
  return {
    shape: 'text',
    fallback,
    fallbackText: JSON.stringify(fallbackText),
    allowed: `${kind.allowed}, or "" for none`,
    doc,
    read: (raw) => {
      if (raw === '') return { ok: true, value: null };
      const value = typeof raw === 'string' ? kind.parse(raw) : null;
      return value === null ? { ok: false } : { ok: true, value };
    },
  };
}

/** A list without repetitions, in the order given; empty where nothing is configured. */
export function listOption<T>(item: TextKind<T>, doc: string): Option<readonly T[]> {
  return {
    shape: 'list',
    fallback: [],
    fallbackText: '[]',
    allowed: `a list of at most ${LIMITS.CONFIG_LIST_ITEMS} items, each ${item.allowed}`,
    doc,
    read: (raw) => {
      if (!Array.isArray(raw) || raw.length > LIMITS.CONFIG_LIST_ITEMS) return { ok: false };
      const values = new Set<T>();
      for (const [index, entry] of (raw as readonly unknown[]).entries()) {
        const value = typeof entry === 'string' ? item.parse(entry) : null;
        if (value === null) return { ok: false, at: String(index), found: entry };
        values.add(value);
      }
      return { ok: true, value: [...values] };
    },
  };
}

/** A table from one text to another, or a list of `KEY=VALUE`; a key stands once. */
export function pairsOption<K extends string, V>(
  key: TextKind<K>,
  value: TextKind<V>,
  doc: string,
): Option<readonly (readonly [K, V])[]> {
  return {
    shape: 'list',
    fallback: [],
    fallbackText: '{}',
    allowed:
      `a table, or a list of "KEY=VALUE", of at most ${LIMITS.CONFIG_LIST_ITEMS} pairs with each key once; ` +
      `a key is ${key.allowed}, a value is ${value.allowed}`,
    doc,
    read: (raw) => {
      const entries = pairEntries(raw);
      if (entries === null || entries.length > LIMITS.CONFIG_LIST_ITEMS) return { ok: false };
      const pairs = new Map<K, V>();
      for (const { at, found, left, right } of entries) {
        const parsedKey = key.parse(left);
        const parsedValue = typeof right === 'string' ? value.parse(right) : null;
        if (parsedKey === null || parsedValue === null || pairs.has(parsedKey))
          return { ok: false, at, found };
        pairs.set(parsedKey, parsedValue);
      }
      return { ok: true, value: [...pairs] };
    },
  };
}

interface PairEntry {
  readonly at: string;
  readonly found: unknown;
  readonly left: string;
  readonly right: unknown;
}

function pairEntries(raw: unknown): readonly PairEntry[] | null {
  if (isTable(raw)) {
    return Object.entries(raw).map(([left, right]) => ({ at: left, found: { [left]: right }, left, right }));
  }
  if (!Array.isArray(raw)) return null;
  return (raw as readonly unknown[]).map((found, index) => {
    const text = typeof found === 'string' ? found : '';
    const equals = text.indexOf('=');
    const left = text.slice(0, Math.max(0, equals)).trim();
    return { at: String(index), found, left, right: text.slice(equals + 1).trim() };
  });
}
