/** The error for a value that the configuration must not have: where it stands, what it is, what is allowed. */
import { MeshError } from '../core/errors.js';

/** Where a value came from. Lines and columns start at 1. */
export type ValueSource =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly environment: string };

/** Characters of a value that a message repeats. */
const SHOWN_CHARS = 120;

export function invalidValue(fault: {
  readonly where: ValueSource;
  readonly key: string;
  readonly found: unknown;
  readonly allowed: string;
}): MeshError {
  const { where, key, found, allowed } = fault;
  const value = shown(found);
  return new MeshError(
    'CONFIG_INVALID',
    `${sourceText(where)}: ${key} = ${value} is not allowed. Allowed: ${allowed}.`,
    { ...where, key, value, allowed },
  );
}

/** `config.toml:3:9`, or the name of the variable. */
export function sourceText(where: ValueSource): string {
  return 'file' in where ? `${where.file}:${where.line}:${where.column}` : `environment ${where.environment}`;
}

/** A value as one short line, nearly as TOML writes it. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : String(item);
    return typeof item === 'number' && !Number.isFinite(item) ? String(item) : item;
  });
  return text.length <= SHOWN_CHARS ? text : `${text.slice(0, SHOWN_CHARS)}...`;
}
