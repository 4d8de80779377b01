/**
 * Events from JSON, for the control socket: the form that the vectors show (bytes as hex, 64-bit integers as
 * decimal text), read by the tables of the node's generation.
 */
import { fromHex } from '../core/bytes.js';
import type { Generation, Shape } from '../node/generations.js';
import type { EventPayload } from '../node/messages.js';
import { BadRequest, recordOf } from '../core/params.js';

/** @throws BadRequest naming the field at fault */
export function eventFromJson(generation: Generation, name: string, value: unknown): EventPayload {
  const events = generation.enums['EventPayload'] ?? {};
  const content = Object.hasOwn(events, name) ? events[name] : undefined;
  if (content === undefined) throw new BadRequest(`the node of ${generation.from} has no event ${name}`);
  const payload = { name, value: contentFromJson(name, content, value) };
  // The tables gave the shape just read, and the type EventPayload is derived from them.
  return payload as EventPayload;
}

function contentFromJson(name: string, content: string | Shape | null, value: unknown): unknown {
  if (content === null) return null;
  if (typeof content === 'string') return valueFromJson(name, content, value);
  const given = recordOf(value, `the value of ${name}`);
  const fields: [string, unknown][] = [];
  for (const [field, type] of Object.entries(content)) {
    fields.push([field, valueFromJson(`${name}.${field}`, type, given[field])]);
  }
  for (const field of Object.keys(given))
    if (!Object.hasOwn(content, field)) throw new BadRequest(`${name} has no field ${field}`);
  return Object.fromEntries(fields);
}

function valueFromJson(path: string, type: string, value: unknown): unknown {
  const optional = /^Option<(.+)>$/.exec(type)?.[1];
  if (optional !== undefined)
    return value === null || value === undefined ? null : valueFromJson(path, optional, value);
  if (type === 'Vec<u8>' || type === 'Hash') return bytesFromJson(path, type, value);
  const item = /^Vec<(.+)>$/.exec(type)?.[1];
  if (item !== undefined) {
    if (!Array.isArray(value)) throw new BadRequest(`${path} is a list`);
    return value.map((entry, i) => valueFromJson(`${path}[${i}]`, item, entry));
  }
  switch (type) {
    case 'String':
      if (typeof value === 'string') return value;
      break;
    case 'bool':
      if (typeof value === 'boolean') return value;
      break;
    case 'u64':
    case 'usize':
      if (typeof value === 'string' && /^\d{1,20}$/.test(value) && BigInt(value) < 1n << 64n)
        return BigInt(value);
      break;
    case 'u32':
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
      break;
    case 'f64':
      if (typeof value === 'number') return value;
      break;
  }
  throw new BadRequest(`${path} is a ${type}`);
}

function bytesFromJson(path: string, type: string, value: unknown): Uint8Array {
  const bytes = typeof value === 'string' ? fromHex(value) : null;
  if (bytes === null || (type === 'Hash' && bytes.length !== 32))
    throw new BadRequest(`${path} is a ${type} in hexadecimal`);
  return bytes;
}
