// `blvm-mesh inspect`: one JSON line for each input, whatever the input; misuse is told apart from bad input.
import { readFileSync } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runInspect, type InspectArguments } from '../../../src/api/inspect/command.js';
import { INSPECT_KINDS, inspectLine, type InspectResult } from '../../../src/api/inspect/inspect.js';
import { boundedLines, type BoundedLine } from '../../../src/api/inspect/lines.js';
import { inspectTools } from '../../../src/api/inspect/tools.js';
import { meshVectors } from '../../support/mesh-vectors.js';
import { sharedLines } from '../../support/shared.js';

const tools = inspectTools('0.1.83');

async function run(
  wanted: InspectArguments,
  input: Iterable<string | Buffer> = [],
): Promise<{ code: number; out: string; err: string }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const outText = text(stdout);
  const errText = text(stderr);
  const stdin = Readable.from([...input].map((chunk) => Buffer.from(chunk)));
  const code = await runInspect(wanted, { stdin, stdout, stderr });
  stdout.end();
  stderr.end();
  return { code, out: await outText, err: await errText };
}

function results(out: string): InspectResult[] {
  return out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as InspectResult);
}

const [vector] = meshVectors;
const hex = vector?.hex ?? '';

describe('inspect one value', () => {
  it('shows value and bytes, white space around them or not, in either case', () => {
    for (const line of [hex, `  ${hex}\t\r\n`, hex.toUpperCase()]) {
      const result = inspectLine('proof', line, tools);
      expect(result.ok && result.hex).toBe(hex);
    }
  });

  it('refuses what is no hex', () => {
    for (const line of ['abc', 'zz', '0x00', '00 00', 'é', '-1']) {
      expect(inspectLine('packet', line, tools)).toMatchObject({ ok: false, reason: 'NotHex' });
    }
  });

  it('reads no bytes at all where a method asks for none', () => {
    expect(inspectLine('api-request:get_node_id', '', tools)).toEqual({ ok: true, value: null, hex: '' });
    expect(inspectLine('packet', '', tools)).toMatchObject({ ok: false, reason: 'Truncated' });
  });

  it('refuses lines beyond any packet or frame before it reads them', () => {
    const line = 'a'.repeat(2_000_002);
    for (const kind of ['packet', 'proof', 'covenant', 'discovery', 'invoice'] as const) {
      expect(inspectLine(kind, line, tools)).toMatchObject({ ok: false, reason: 'InputTooLong' });
    }
    expect(inspectLine('packet', 'a'.repeat(2_000_000), tools)).not.toMatchObject({ reason: 'InputTooLong' });
  });

  it('shows messages of the node with their kind', () => {
    const lines = readFileSync(new URL('../../vectors/node-ipc.jsonl', import.meta.url), 'utf8')
      .split('\n')
      .filter(Boolean);
    for (const line of lines) {
      const { kind, hex: body, value } = JSON.parse(line) as { kind: string; hex: string; value: unknown };
      expect(inspectLine('ipc', body, tools)).toEqual({ ok: true, kind, value, hex: body });
    }
  });

  it('shows invoices as the corpus does', () => {
    interface Line {
      readonly invoice: string;
      readonly verdict: string;
      readonly value?: unknown;
    }
    const corpus = sharedLines<Line>('vectors/bolt11-corpus.jsonl.gz') ?? [];
    for (const { invoice, value } of corpus.filter(({ verdict }) => verdict === 'accept').slice(0, 20)) {
      expect(inspectLine('invoice', invoice, tools)).toEqual({ ok: true, value });
    }
    expect(inspectLine('invoice', 'lnbc1nothing', tools).ok).toBe(false);
  });

  it('answers any text of any kind, and what it accepts encodes back to the same bytes', () => {
    const kinds = INSPECT_KINDS.filter((kind) => kind !== 'invoice');
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 60 }), (kind, bytes) => {
        const line = Buffer.from(bytes).toString('hex');
        const result = inspectLine(kind, line, tools);
        return !result.ok || result.hex === line;
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...INSPECT_KINDS), fc.string({ unit: 'binary' }), (kind, line) => {
        return typeof inspectLine(kind, line, tools).ok === 'boolean';
      }),
    );
  });
});

describe('inspect as a command', () => {
  it('bad input is an answer: exit code 0', async () => {
    const { code, out, err } = await run({ kind: 'packet', value: 'ff' });
    expect(code).toBe(0);
    expect(results(out)).toMatchObject([{ ok: false, reason: 'Truncated' }]);
    expect(err).toBe('');
  });

  it('misuse is an error: exit code 2, told on stderr', async () => {
    const misuses: InspectArguments[] = [
      { kind: 'pocket', value: '00' },
      { kind: 'api-request', value: '00' },
      { kind: 'api-request:toString', value: '00' },
      { kind: 'packet' },
      { kind: 'packet', value: '00', stdin: true },
      { kind: 'ipc', value: '00', nodeVersion: 'newest' },
    ];
    for (const misuse of misuses) {
      const { code, out, err } = await run(misuse);
      expect(code, JSON.stringify(misuse)).toBe(2);
      expect(out).toBe('');
      expect(err).toMatch(/^error: /);
    }
  });

  it('one line for each line of stdin, empty and broken ones too', async () => {
    const { code, out } = await run({ kind: 'proof', stdin: true }, [
      `${hex}\nxyz\n\r\n`,
      `  ${hex}  \n${hex.slice(2)}`,
    ]);
    expect(code).toBe(0);
    expect(results(out).map(({ ok }) => ok)).toEqual([true, false, false, true, false]);
  });

  it('a line without end is one answer, and the next line is read again', async () => {
    const junk = Array.from({ length: 64 }, () => 'a'.repeat(65_536));
    const { out } = await run({ kind: 'proof', stdin: true }, [...junk, `\n${hex}\n`]);
    expect(results(out)).toMatchObject([{ ok: false, reason: 'InputTooLong' }, { ok: true }]);
  });

  it('nothing on stdin is no line', async () => {
    expect((await run({ kind: 'proof', stdin: true })).out).toBe('');
  });
});

describe('bounded lines', () => {
  it('are the lines of the stream, however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'bb', '\n', 'cccc'), { maxLength: 60 }),
        async (chunks) => {
          const lines: BoundedLine[] = [];
          for await (const batch of boundedLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), 5))
            lines.push(...batch);
          const expected = chunks.join('').split('\n');
          if (expected.at(-1) === '') expected.pop();
          expect(lines).toEqual(expected.map((line) => (line.length > 5 ? null : line)));
        },
      ),
    );
  });
});
