import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { endAll, runCli } from '../support/mesh-process.js';
import { meshVectors, normalized } from '../support/mesh-vectors.js';

interface Answer {
  readonly ok: boolean;
  readonly kind?: string;
  readonly value?: unknown;
  readonly hex?: string;
  readonly reason?: string;
  readonly detail?: string;
}

interface IpcVector {
  readonly kind: string;
  readonly name: string;
  readonly hex: string;
  readonly value: unknown;
}

interface CtvVector {
  readonly tx: string;
  readonly index: number;
  readonly bip119: string;
}

const ctvVectors = readFileSync(new URL('../vectors/ctv.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as CtvVector);

const ipcVectors = readFileSync(new URL('../vectors/node-ipc.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as IpcVector);

afterEach(endAll);

/** One answer for each line, from a process that must end well and say nothing else. */
async function inspect(kind: string, lines: readonly string[]): Promise<readonly Answer[]> {
  const stdin = lines.map((line) => `${line}\n`).join('');
  const { code, stdout, stderr } = await runCli(['inspect', kind, '--stdin'], { stdin });
  expect({ kind, code, stderr }).toEqual({ kind, code: 0, stderr: '' });
  const answers = stdout.split('\n').slice(0, -1);
  expect(answers).toHaveLength(lines.length);
  return answers.map((line) => JSON.parse(line) as Answer);
}

describe('inspect --stdin', () => {
  it('shows every mesh vector as its value, and encodes it back to its bytes', async () => {
    const kinds = [...new Set(meshVectors.map(({ inspectKind }) => inspectKind))];
    for (const kind of ['packet', 'proof', 'discovery', 'covenant']) expect(kinds).toContain(kind);
    expect(kinds.filter((kind) => kind.startsWith('api-request:'))).not.toHaveLength(0);
    expect(kinds.filter((kind) => kind.startsWith('api-response:'))).not.toHaveLength(0);
    let checked = 0;
    const check = async (kind: string): Promise<void> => {
      const vectors = meshVectors.filter(({ inspectKind }) => inspectKind === kind);
      const answers = await inspect(
        kind,
        vectors.map(({ hex }) => hex),
      );
      for (const [index, { label, hex, value }] of vectors.entries()) {
        expect({ label, ...answers[index] }).toEqual({ label, ok: true, value: normalized(value), hex });
        checked += 1;
      }
    };
    await inTurns(kinds, check);
    expect(checked).toBe(meshVectors.length);
  });

  it('shows every message of the node with its kind', async () => {
    const answers = await inspect(
      'ipc',
      ipcVectors.map(({ hex }) => hex),
    );
    for (const [index, { kind, name, hex, value }] of ipcVectors.entries()) {
      expect({ name, ...answers[index] }).toEqual({ name, ok: true, kind, value, hex });
    }
  });

  it('answers bad lines with the reason among good ones, and ends well', async () => {
    const good = meshVectors.find(({ inspectKind }) => inspectKind === 'packet')?.hex ?? '';
    const answers = await inspect('packet', [
      good,
      'no hex',
      '',
      `${good}00`,
      good.slice(0, 40),
      ` ${good}\r`,
    ]);
    expect(answers.map(({ ok, reason }) => (ok ? 'ok' : reason))).toEqual([
      'ok',
      'NotHex',
      'Truncated',
      'TrailingBytes',
      'Truncated',
      'ok',
    ]);
    for (const answer of answers) if (!answer.ok) expect(answer.detail).not.toBe('');
    const [badFrame] = await inspect('ipc', ['00000000']);
    expect(badFrame?.ok).toBe(false);
  });

  it('gives the template hash of an input, and answers what is none', async () => {
    const lines = ctvVectors.map(({ tx, index }) => `${tx}:${index}`);
    const answers = await inspect('ctv', [...lines, '0200', lines[0]?.slice(2) ?? '']);
    expect(answers.slice(0, lines.length)).toEqual(
      ctvVectors.map(({ bip119 }) => ({ ok: true, value: bip119 })),
    );
    expect(answers.slice(lines.length).map(({ ok }) => ok)).toEqual([false, false]);
    const { code, stdout } = await runCli(['inspect', 'ctv', lines[0] ?? '']);
    expect({ code, answer: JSON.parse(stdout) as Answer }).toEqual({ code: 0, answer: answers[0] });
  });

  it('reads a value from the argument as from a line', async () => {
    const { hex } = meshVectors[0] ?? { hex: '' };
    const kind = meshVectors[0]?.inspectKind ?? '';
    const [line] = await inspect(kind, [hex]);
    const { code, stdout } = await runCli(['inspect', kind, hex]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(line);
  });
});

/** Two at a time. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const lane = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all([lane(), lane()]);
}
