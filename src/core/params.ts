/** Reads the parameters of a request in JSON: another process wrote them, so nothing about them is taken for granted. */
import { fromHex } from './bytes.js';
import { MeshError } from './errors.js';

/** A request that cannot be understood; its message says what was wanted. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

export class Params {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined && this.#get(name) !== null;
  }

  value(name: string): unknown {
    return this.#get(name);
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== 'string') throw new BadRequest(`${name} is a text`);
    return value;
  }

  optionalText(name: string): string | undefined {
    return this.has(name) ? this.text(name) : undefined;
  }

  texts(name: string): readonly string[] {
    if (!this.has(name)) return [];
    const value = this.#get(name);
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw new BadRequest(`${name} is a list of texts`);
    return value;
  }

  list(name: string): readonly Params[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw new BadRequest(`${name} is a list`);
    return value.map((item) => new Params(recordOf(item, name)));
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (value !== undefined && typeof value !== 'boolean') throw new BadRequest(`${name} is true or false`);
    return value ?? false;
  }

  /** A whole number, 0 or more. */
  count(name: string, fallback?: number): number {
    const value = this.#get(name) ?? fallback;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw new BadRequest(`${name} is a whole number, 0 or more`);
    return value;
  }

  optionalCount(name: string): number | undefined {
    return this.has(name) ? this.count(name) : undefined;
  }

  /** A number from 0 to `most`. */
  optionalNumber(name: string, most: number): number | undefined {
    if (!this.has(name)) return undefined;
    const value = this.#get(name);
    if (typeof value !== 'number' || !(value >= 0) || value > most)
      throw new BadRequest(`${name} is a number from 0 to ${most}`);
    return value;
  }

  /** A 64-bit integer as decimal text. */
  amount(name: string): bigint {
    const value = this.#get(name);
    if (typeof value !== 'string' || !/^\d{1,20}$/.test(value))
      throw new BadRequest(`${name} is a whole number as decimal text`);
    return BigInt(value);
  }

  optionalAmount(name: string): bigint | undefined {
    return this.has(name) ? this.amount(name) : undefined;
  }

  hex(name: string): Uint8Array {
    const bytes = fromHex(this.text(name));
    if (bytes === null) throw new BadRequest(`${name} is hexadecimal`);
    return bytes;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
  }
}

/** A JSON object, or BadRequest. */
export function recordOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new BadRequest(`${what} is an object`);
  return value as Readonly<Record<string, unknown>>;
}

/** The code and sentence of whatever a method threw. */
export function errorFacts(error: unknown): { code: string; message: string } {
  if (error instanceof MeshError) return { code: error.code, message: error.message };
  if (error instanceof BadRequest) return { code: 'BAD_REQUEST', message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
