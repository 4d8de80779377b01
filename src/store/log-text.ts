/** Facts of a log line as plain printable values, and a line for a terminal. */
import { toHex } from '../core/bytes.js';
import { bigintAsText } from '../core/codec.js';
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { LogLevel } from '../core/ports.js';

export type Facts = Readonly<Record<string, unknown>>;

/** Facts that are texts, numbers, bools or null: bytes as hex, errors as their message, long ones cut. */
export function printableFacts(facts: Facts): Record<string, string | number | boolean | null> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, printable(value)]));
}

/** One line for a person. Control characters are escaped, so that a fact from outside cannot move the cursor. */
export function textLine(level: LogLevel, message: string, facts: Facts): string {
  const parts = Object.entries(facts).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const line = [level.toUpperCase().padEnd(5), message, ...parts].join(' ');
  return line.replace(/\p{Cc}/gu, (control) => `\\x${toHex(Uint8Array.of(control.charCodeAt(0)))}`);
}

function printable(value: unknown): string | number | boolean | null {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
      return value;
    case 'string':
      return cut(value);
    case 'undefined':
      return null;
    case 'object':
      if (value === null) return null;
      if (value instanceof Uint8Array) return cut(toHex(value.subarray(0, LIMITS.LOG_FACT_CHARS)));
      if (value instanceof Error) return cut(errorText(value));
      return jsonOf(value);
    default:
      return cut(String(value));
  }
}

function jsonOf(value: object): string {
  try {
    return cut(JSON.stringify(value, bigintAsText));
  } catch {
    return '[not printable]'; // refers to itself
  }
}

function cut(text: string): string {
  return text.length <= LIMITS.LOG_FACT_CHARS ? text : `${text.slice(0, LIMITS.LOG_FACT_CHARS)}...`;
}
