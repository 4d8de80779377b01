// Fuzz: whatever the configuration holds, the outcome is a configuration or a MeshError, and it comes soon.
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.js';
import { OPTION_NAMES } from '../../src/config/schema.js';
import { MeshError } from '../../src/core/errors.js';

function judge(text: string, env: NodeJS.ProcessEnv = {}): 'config' | 'refused' {
  try {
    const { config } = parseConfig({ text, fileName: 'config.toml', env });
    expect(Object.isFrozen(config)).toBe(true);
    return 'config';
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message.length).toBeLessThan(2_000);
    const { line, column } = error.facts;
    if (line !== undefined) {
      expect(line).toBeLessThanOrEqual(text.split('\n').length);
      expect(column).toBeGreaterThanOrEqual(1);
    }
    return 'refused';
  }
}

const flatName = fc.constantFrom(
  ...OPTION_NAMES.map((name) => name.split('.')[0] ?? name),
  'mesh',
  'fees',
  '__proto__',
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('open', 'a:1', '127.0.0.1:8334', ''),
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(flatName, fc.string()), tie('any'), { maxKeys: 4 }),
  ),
})).any;
const table = fc.dictionary(fc.oneof(flatName, fc.string()), value, { maxKeys: 6 });

describe('config fuzz', () => {
  it('takes random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        judge(Buffer.from(bytes).toString('utf8'));
        judge(Buffer.from(bytes).toString('latin1'));
      }),
    );
  });

  it('takes random pieces of TOML', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '[',
        ']',
        '[[',
        ']]',
        '{',
        '}',
        '=',
        '.',
        ',',
        '"',
        "'",
        '"""',
        "'''",
        '\\',
        '#',
        '\n',
        ' ',
      ),
      fc.constantFrom(
        'mesh',
        'fees',
        'workers',
        'peers',
        'true',
        '1',
        '-9',
        '1e9',
        'nan',
        '1979-05-27 07:32:00',
        'x',
      ),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        judge(pieces.join(''));
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes random tables that are valid TOML', () => {
    let accepted = 0;
    fc.assert(
      fc.property(table, (content) => {
        if (judge(stringify(content)) === 'config') accepted++;
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(0);
  });

  it('takes random environments', () => {
    const name = fc
      .constantFrom(...OPTION_NAMES)
      .map((key) => `MODULE_CONFIG_${key.replace('.', '_').toUpperCase()}`);
    fc.assert(
      fc.property(
        fc.dictionary(name, fc.oneof(fc.string(), fc.constantFrom('1', 'true', 'a:1,b:2'))),
        (env) => {
          judge('', env);
        },
      ),
    );
  });

  it.each([
    ['brackets', '['.repeat(100_000)],
    ['inline tables', `a=${'{a='.repeat(50_000)}`],
    ['dotted keys', `a${'.a'.repeat(100_000)} = 1`],
    ['quotes', '"'.repeat(200_000)],
    ['quotes behind a valid key', `workers = 0\nx = """${'" '.repeat(80_000)}"""`],
    ['unknown keys', Array.from({ length: 20_000 }, (_, index) => `k${index}=1`).join('\n')],
    ['a long unknown key', `workers = 0\n${'k'.repeat(200_000)} = 1`],
    ['a long list', `peers = [${'"a:1",'.repeat(40_000)}]`],
    ['a list of lists', `workers = 0\nx = ${'['.repeat(8)}${']'.repeat(8)}`],
  ])('judges many %s within seconds', (_, text) => {
    const start = performance.now();
    judge(text);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
