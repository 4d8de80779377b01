// wire.md, by the golden bytes: what they say, and that nothing near them is read as something else.
import { describe, expect, it } from 'vitest';
import { inspectLine, type InspectResult, type InspectTools } from '../../../src/api/inspect/inspect.js';
import { BincodeReader } from '../../../src/core/bincode.js';
import { toHex } from '../../../src/core/bytes.js';
import { reasonName, Reason, type ReasonName } from '../../../src/core/reasons.js';
import { meshVectors, normalized, type MeshVector } from '../../support/mesh-vectors.js';

const noTools: InspectTools = {
  ipc: () => {
    throw new Error('not asked for here');
  },
  invoice: () => {
    throw new Error('not asked for here');
  },
  ctv: () => {
    throw new Error('not asked for here');
  },
};

function inspect(vector: MeshVector, bytes: Uint8Array): InspectResult {
  return inspectLine(vector.inspectKind, toHex(bytes), noTools);
}

/** Places where a value may be broken, found by reading. */
class TracingReader extends BincodeReader {
  readonly tags: { readonly at: number; readonly count: number }[] = [];
  readonly options: number[] = [];
  readonly bools: number[] = [];
  readonly lengths: number[] = [];
  readonly strings: { readonly at: number; readonly length: number }[] = [];

  override tag(count: number, what: string): number {
    this.tags.push({ at: this.offset, count });
    return super.tag(count, what);
  }

  override option(): boolean {
    this.options.push(this.offset);
    return super.option();
  }

  override bool(): boolean {
    this.bools.push(this.offset);
    return super.bool();
  }

  override length(minItemBytes: number): number {
    this.lengths.push(this.offset);
    return super.length(minItemBytes);
  }

  override string(): string {
    const before = this.offset;
    const text = super.string();
    this.strings.push({ at: before + 8, length: this.offset - before - 8 });
    return text;
  }
}

function traced(vector: MeshVector): TracingReader {
  const reader = new TracingReader(vector.bytes.subarray(vector.bodyOffset));
  vector.codec.read(reader);
  expect(reader.failure, vector.label).toBeNull();
  expect(reader.remaining, vector.label).toBe(0);
  return reader;
}

/** The vector with some bytes replaced; the offset counts from the bincode's start. */
function broken(vector: MeshVector, at: number, replacement: readonly number[]): Uint8Array {
  const copy = vector.bytes.slice();
  copy.set(replacement, vector.bodyOffset + at);
  return copy;
}

/** Refused; where the form is not in doubt, with that very reason. */
function expectRefused(vector: MeshVector, bytes: Uint8Array, reason: ReasonName, what: string): void {
  const result = inspect(vector, bytes);
  if (result.ok) expect.fail(`${vector.label}: ${what} was accepted`);
  if (!vector.isOldest) expect(result.reason, `${vector.label}: ${what}`).toBe(reason);
}

const U64_LENGTHS: readonly (readonly number[])[] = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0, 0, 0, 0, 0x80],
  [0, 0, 0, 0, 0, 0, 0x20, 0],
  [0, 0, 0, 0, 1, 0, 0, 0],
  [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0],
];

describe('wire', () => {
  it('every vector decodes to its value and encodes back to its bytes', () => {
    expect(meshVectors.length).toBe(99);
    for (const vector of meshVectors) {
      const result = inspect(vector, vector.bytes);
      if (!result.ok) expect.fail(`${vector.label}: ${result.reason}, ${result.detail}`);
      expect(normalized(result.value), vector.label).toEqual(normalized(vector.value));
      expect(result.hex, vector.label).toBe(vector.hex);
    }
  });

  it('every truncation of every vector is refused', () => {
    for (const vector of meshVectors) {
      for (let length = 0; length < vector.bytes.length; length++) {
        const result = inspect(vector, vector.bytes.subarray(0, length));
        if (result.ok) expect.fail(`${vector.label} cut to ${length} bytes was accepted`);
      }
    }
  });

  it('a byte left over behind any vector is refused', () => {
    for (const vector of meshVectors) {
      for (const extra of [0x00, 0x01, 0xff]) {
        const longer = new Uint8Array([...vector.bytes, extra]);
        expectRefused(vector, longer, reasonName(Reason.TrailingBytes), 'a trailing byte');
      }
    }
  });

  it('every broken tag is refused', () => {
    let places = 0;
    for (const vector of meshVectors) {
      for (const { at, count } of traced(vector).tags) {
        places++;
        for (const tag of [
          [count, 0, 0, 0],
          [0xff, 0xff, 0xff, 0xff],
          [0, 0, 0, 1],
        ]) {
          expectRefused(vector, broken(vector, at, tag), 'UnknownTag', `tag ${tag.join()} at ${at}`);
        }
      }
    }
    expect(places).toBeGreaterThan(50);
  });

  it('every broken option byte is refused', () => {
    let places = 0;
    for (const vector of meshVectors) {
      for (const at of traced(vector).options) {
        places++;
        for (const byte of [2, 0x80, 0xff]) {
          expectRefused(vector, broken(vector, at, [byte]), 'BadOption', `option ${byte} at ${at}`);
        }
      }
    }
    expect(places).toBeGreaterThan(90);
  });

  it('every broken bool is refused', () => {
    let places = 0;
    for (const vector of meshVectors) {
      for (const at of traced(vector).bools) {
        places++;
        for (const byte of [2, 0x80, 0xff]) {
          expectRefused(vector, broken(vector, at, [byte]), 'BadBool', `bool ${byte} at ${at}`);
        }
      }
    }
    expect(places).toBeGreaterThanOrEqual(9);
  });

  it('every length beyond the input is refused', () => {
    let places = 0;
    for (const vector of meshVectors) {
      for (const at of traced(vector).lengths) {
        places++;
        for (const length of U64_LENGTHS) {
          expectRefused(vector, broken(vector, at, length), 'LengthBeyondInput', `length at ${at}`);
        }
      }
    }
    expect(places).toBeGreaterThan(150);
  });

  it('every string that is not UTF-8 is refused', () => {
    let places = 0;
    for (const vector of meshVectors) {
      for (const { at, length } of traced(vector).strings) {
        for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
          if (bad.length > length) continue;
          places++;
          expectRefused(vector, broken(vector, at, bad), 'BadUtf8', `string at ${at}`);
        }
      }
    }
    expect(places).toBeGreaterThan(100);
  });

  it('whatever one changed byte makes of a vector is refused or encodes back to the same bytes', () => {
    for (const vector of meshVectors) {
      const bytes = vector.bytes.slice();
      for (let i = 0; i < bytes.length; i++) {
        const before = bytes[i] ?? 0;
        bytes[i] = before ^ (1 << (i % 8));
        const result = inspect(vector, bytes);
        if (result.ok && result.hex !== toHex(bytes)) expect.fail(`${vector.label}, byte ${i}`);
        bytes[i] = before;
      }
    }
  });
});
