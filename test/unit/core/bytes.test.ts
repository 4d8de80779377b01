// Hexadecimal and bincode against what the platform and plain concatenation say.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BincodeReader, BincodeWriter } from '../../../src/core/bincode.js';
import { concatBytes, fromHex, keepable, textKey, toHex, utf8 } from '../../../src/core/bytes.js';

describe('hexadecimal', () => {
  it('of any bytes is what Buffer writes, and reads back in either case', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 150 }), (bytes) => {
        const text = toHex(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('hex'));
        expect(fromHex(text)).toEqual(bytes);
        expect(fromHex(text.toUpperCase())).toEqual(bytes);
      }),
    );
  });

  it('of odd length, or with any character that is no digit, is none', () => {
    expect(fromHex('abc')).toBeNull();
    for (let code = 0; code < 0x300; code++) {
      const text = `0${String.fromCharCode(code)}`;
      const isDigit = /^[0-9a-fA-F]$/.test(text.charAt(1));
      expect(fromHex(text) !== null, String(code)).toBe(isDigit);
      expect(fromHex(`${text.charAt(1)}0`) !== null, String(code)).toBe(isDigit);
    }
  });
});

describe('bincode writer', () => {
  const texts = fc.array(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('ü'.repeat(300))));

  it('writes what was asked for, whatever the writers before it held and however it grows', () => {
    const u64 = (value: number): Uint8Array => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
    fc.assert(
      fc.property(texts, fc.nat(600), (parts, expectedBytes) => {
        const writer = new BincodeWriter(expectedBytes);
        writer.length(parts.length);
        for (const part of parts) writer.string(part);
        const pieces = parts.flatMap((part) => [u64(utf8(part).length), utf8(part)]);
        expect(writer.finish()).toEqual(concatBytes(u64(parts.length), ...pieces));
      }),
    );
  });

  it('shares nothing with a writer inside it, nor with what was finished', () => {
    const outer = new BincodeWriter(16);
    outer.u8(1);
    const inner = new BincodeWriter(16);
    inner.u8(2);
    const innerBytes = inner.finish();
    const next = new BincodeWriter(16);
    next.u8(3);
    outer.u8(4);
    expect([outer.finish(), innerBytes, next.finish()]).toEqual([
      Uint8Array.of(1, 4),
      Uint8Array.of(2),
      Uint8Array.of(3),
    ]);
  });

  it('lends what was written to what is written around it', () => {
    const inner = new BincodeWriter(16);
    inner.u8(2);
    const whole = inner.lend((lent) => {
      const outer = new BincodeWriter(16);
      outer.u8(1);
      outer.fixed(lent);
      return outer.finish();
    });
    expect(whole).toEqual(Uint8Array.of(1, 2));
    expect(() => inner.finish()).toThrow('once');
  });

  it('is done with once it was finished', () => {
    const writer = new BincodeWriter();
    writer.u8(1);
    writer.finish();
    expect(() => {
      writer.u8(1);
    }).toThrow('assertion failed');
    expect(() => writer.finish()).toThrow('assertion failed');
  });

  it('writes lengths that a reader reads, and no others', () => {
    for (const length of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const writer = new BincodeWriter();
      writer.length(length);
      expect(new BincodeReader(writer.finish()).u64()).toBe(BigInt(length));
    }
    for (const length of [-1, 0.5, 2 ** 53, NaN]) {
      expect(() => {
        new BincodeWriter().length(length);
      }).toThrow('assertion failed');
    }
  });
});

describe('bytes that are kept', () => {
  it('are copied where they are a small part of their memory, and left where they are most of it', () => {
    const chunk = Buffer.alloc(16_384, 7);
    const small = keepable(chunk.subarray(100, 400));
    expect(small.buffer.byteLength).toBe(300);
    expect(small).toEqual(new Uint8Array(300).fill(7));
    const large = chunk.subarray(0, 10_000);
    expect(keepable(large)).toBe(large);
    const own = new Uint8Array(40);
    expect(keepable(own)).toBe(own);
  });

  it('never hold more than a few times themselves, whatever they were cut from', () => {
    fc.assert(
      fc.property(fc.nat(70_000), fc.nat(70_000), (memory, length) => {
        const view = new Uint8Array(memory).subarray(0, length);
        expect(keepable(view).buffer.byteLength).toBeLessThanOrEqual(4 * view.length + 256);
      }),
    );
  });
});

describe('text key', () => {
  it('tells apart what is not the same, in each of its bytes', () => {
    const some = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(some, fc.nat(31), fc.integer({ min: 1, max: 255 }), (bytes, at, by) => {
        const other = bytes.map((byte, index) => (index === at ? (byte + by) % 256 : byte));
        expect(textKey(bytes)).toBe(textKey(bytes.slice()));
        expect(textKey(other)).not.toBe(textKey(bytes));
        expect(textKey(bytes.subarray(0, 16))).toHaveLength(8);
      }),
    );
  });
});
