// Frames: any cutting of the stream gives the same bodies; lengths that lie reserve nothing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { FrameReader, encodeFrame } from '../../../src/core/frame.js';

/** Feeds the stream in pieces of the given lengths, over and over; the bodies in hex, and the last verdict. */
function read(stream: Uint8Array, pieces: readonly number[], reader: FrameReader = new FrameReader()) {
  const bodies: string[] = [];
  let verdict: Reason = Reason.Accepted;
  for (let at = 0, i = 0; at < stream.length; i++) {
    const end = at + Math.max(1, pieces[i % pieces.length] ?? 1);
    verdict = reader.push(stream.subarray(at, end), (body) => {
      bodies.push(toHex(body));
      return true;
    });
    at = end;
  }
  return { bodies, verdict };
}

const header = (length: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, length, false);
  return bytes;
};

describe('frames', () => {
  it('the length is big endian and does not count itself', () => {
    expect(toHex(encodeFrame(Uint8Array.from([0xaa, 0xbb])))).toBe('00000002aabb');
    expect(toHex(encodeFrame(new Uint8Array(258))).slice(0, 8)).toBe('00000102');
  });

  it('any cutting of the stream gives the same bodies', () => {
    const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 20 });
    const pieces = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(bodies, pieces, (frames, cuts) => {
        const stream = concatBytes(...frames.map((body) => encodeFrame(body)));
        expect(read(stream, cuts)).toEqual({ bodies: frames.map(toHex), verdict: Reason.Accepted });
      }),
    );
  });

  it('a frame larger than the kept memory comes through byte by byte and is not kept', () => {
    const body = new Uint8Array(200_000).map((_, i) => i);
    const reader = new FrameReader();
    const { bodies } = read(encodeFrame(body), [1], reader);
    expect(bodies).toEqual([toHex(body)]);
    expect(reader.reservedBytes).toBeLessThanOrEqual(65_536);
  });

  it('an announced length reserves nothing: memory follows the bytes that came', () => {
    const reader = new FrameReader();
    const take = (): boolean => true;
    reader.push(header(LIMITS.NODE_FRAME_BYTES), take);
    expect(reader.reservedBytes).toBeLessThanOrEqual(1_024);
    reader.push(new Uint8Array(10_000), take);
    expect(reader.reservedBytes).toBeLessThanOrEqual(2 * 10_004);
  });

  it.each([1, 3, 4, 5, 1_000])(
    'an empty frame is corrupt as soon as its header is there (pieces of %i)',
    (piece) => {
      const stream = concatBytes(encodeFrame(Uint8Array.from([1])), header(0));
      expect(read(stream, [piece])).toEqual({ bodies: ['01'], verdict: Reason.FrameEmpty });
    },
  );

  it.each([LIMITS.NODE_FRAME_BYTES + 1, 2 ** 31, 2 ** 32 - 1])('a frame of %i bytes is corrupt', (length) => {
    expect(read(header(length), [1]).verdict).toBe(Reason.FrameTooLarge);
    expect(read(header(length), [4]).verdict).toBe(Reason.FrameTooLarge);
  });

  it('the longest frame is taken', () => {
    const reader = new FrameReader(1_000);
    expect(read(encodeFrame(new Uint8Array(1_000)), [7], reader).bodies).toHaveLength(1);
    expect(read(encodeFrame(new Uint8Array(1_001)), [7], reader).verdict).toBe(Reason.FrameTooLarge);
  });

  it('after a fault nothing is read any more', () => {
    const reader = new FrameReader();
    expect(read(header(0), [4], reader).verdict).toBe(Reason.FrameEmpty);
    expect(read(encodeFrame(Uint8Array.from([1])), [4], reader)).toEqual({
      bodies: [],
      verdict: Reason.FrameEmpty,
    });
  });

  it('whoever takes the bodies can stop the stream', () => {
    const frame = encodeFrame(Uint8Array.from([1]));
    for (const pieces of [[1], [15]]) {
      const reader = new FrameReader();
      let taken = 0;
      const stream = concatBytes(frame, frame, frame);
      for (let at = 0; at < stream.length; at += pieces[0] ?? 1)
        reader.push(stream.subarray(at, at + (pieces[0] ?? 1)), () => ++taken < 2);
      expect(taken).toBe(2);
    }
  });
});
