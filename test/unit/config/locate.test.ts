// Places in TOML text: found for every value that the parser finds, whatever quotes, tables and comments surround it.
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { TomlPlaces } from '../../../src/config/locate.js';

type Value = string | bigint | boolean | readonly Value[] | { readonly [key: string]: Value };

const scalar = fc.oneof(fc.string({ unit: 'grapheme' }), fc.bigInt({ min: -9n, max: 99n }), fc.boolean());
const key = fc.oneof(fc.stringMatching(/^[a-z_-]{1,5}$/), fc.string({ minLength: 1, maxLength: 4 }));
const table = fc.letrec<{ value: Value; table: Record<string, Value> }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(scalar, { maxLength: 3 }), tie('table')),
  table: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
})).table;

/** Every text, number and bool with its path. */
function scalars(value: Value, path: readonly string[] = []): { path: readonly string[]; value: Value }[] {
  if (typeof value !== 'object') return [{ path, value }];
  return Object.entries(value).flatMap(([name, inner]) => scalars(inner, [...path, name]));
}

describe('places in TOML', () => {
  it('points at every value of random tables', () => {
    fc.assert(
      fc.property(table, (content) => {
        const text = stringify(content);
        const places = new TomlPlaces(text);
        for (const { path, value } of scalars(content)) {
          const { line, column } = places.of(path);
          const found = text.split('\n')[line - 1]?.slice(column - 1) ?? '';
          const written = stringify({ v: value }).slice('v = '.length).trimEnd();
          expect(found.startsWith(written), `${path.join('/')} in ${text}`).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, string, readonly string[], number, number]>([
    ['behind a comment with quotes', '# "\' [x]\na = 1', ['a'], 2, 5],
    ['behind a string with an escaped quote', 'x = "\\"" # "\na = 1', ['a'], 2, 5],
    ['behind a long literal', "x = '''\na = 2\n''''\na = 1", ['a'], 4, 5],
    ['behind a date with a space', 'x = 1979-05-27 07:32:00\na = 1', ['a'], 2, 5],
    ['in an array of tables, at the first', '[[t]]\na = 1\n[[t]]\na = 2', ['t', 'a'], 2, 5],
    ['in an inline table over a list', 'x = [{ a = 1 }, { a = 2 }]', ['x', '1', 'a'], 1, 23],
    ['with lines that end in CR LF', 'x = 1\r\na = 2\r\n', ['a'], 2, 5],
    ['at the table, where the key is nowhere', 'x = 1\n[t]\n', ['t', 'a'], 2, 1],
    ['at the start, where nothing is known', 'x = 1', ['y'], 1, 1],
  ])('finds a value %s', (_, text, path, line, column) => {
    expect(new TomlPlaces(text).of(path)).toEqual({ line, column });
  });
});
