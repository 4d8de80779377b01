// Hostile bytes on the node's socket: the frame reader and the decoder give a verdict, never an exception, and
// what they keep stays in proportion to what came.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import { Reason, reasonOf } from '../../src/core/reasons.js';
import { FrameReader } from '../../src/core/frame.js';
import { GENERATIONS } from '../../src/node/generations.js';
import { IpcCodec, ipcInspect, messageHead } from '../../src/node/ipc-codec.js';

const bodies = readFileSync(new URL('../vectors/node-ipc.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => Buffer.from((JSON.parse(line) as { hex: string }).hex, 'hex'));
const codecs = GENERATIONS.map((generation) => new IpcCodec(generation));

/** A verdict, and where it is a message, one whose bytes say the same again. */
function judge(body: Uint8Array, codec: IpcCodec): void {
  messageHead(body);
  const decoded = codec.decodeMessage(body);
  if (!decoded.ok) {
    expect(reasonOf(decoded.failure.reason)).not.toBeNull();
    return;
  }
  // Not compared with the input: the bits of a NaN are not kept.
  const written = codec.encodeMessage(decoded.value);
  const again = codec.decodeMessage(written);
  expect(written.length).toBe(body.length);
  expect(again.ok && Buffer.from(codec.encodeMessage(again.value)).equals(written)).toBe(true);
}

describe('fuzz › node messages', () => {
  it('random bytes behind each message tag', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 6 }),
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(6),
        (tag, rest, i) => {
          const codec = codecs[i];
          if (codec !== undefined) judge(Uint8Array.from([tag, 0, 0, 0, ...rest]), codec);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('golden bytes with bytes changed, cut out and put in, for every generation', () => {
    const change = fc.record({ at: fc.nat(400), value: fc.integer({ min: 0, max: 255 }), kind: fc.nat(2) });
    fc.assert(
      fc.property(
        fc.nat(bodies.length - 1),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.nat(6),
        (which, changes, i) => {
          const bytes = [...(bodies[which] ?? [])];
          for (const { at, value, kind } of changes) {
            const position = at % bytes.length;
            if (kind === 0) bytes[position] = value;
            else if (kind === 1) bytes.splice(position, 1);
            else bytes.splice(position, 0, value);
            if (bytes.length === 0) bytes.push(value);
          }
          const codec = codecs[i];
          if (codec !== undefined) judge(Uint8Array.from(bytes), codec);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('lengths that lie, anywhere in a message', () => {
    const lies = [0xff, 0x7f, 0x80, 0x01];
    for (const body of bodies)
      for (let at = 12; at + 8 <= body.length; at += 8) {
        const lying = Uint8Array.from(body);
        lying.set([0xff, 0xff, 0xff, lies[at % 4] ?? 0, 0, 0, 0, 0], at);
        for (const codec of [codecs[0], codecs[6]]) if (codec !== undefined) judge(lying, codec);
      }
  });

  it('inspection answers any bytes and any version', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.string({ maxLength: 20 }), (bytes, version) => {
        expect(typeof ipcInspect(bytes, version).ok).toBe('boolean');
      }),
    );
  });
});

describe('fuzz › node frames', () => {
  it('any stream in any pieces gives a verdict, the same for every cutting, in bounded memory', () => {
    const stream = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), { maxLength: 2_000 });
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
        (bytes, cuts) => {
          const whole = feed(Uint8Array.from(bytes), [bytes.length + 1]);
          const cut = feed(Uint8Array.from(bytes), cuts);
          expect(cut).toEqual(whole);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

function feed(stream: Uint8Array, cuts: readonly number[]): { lengths: number[]; verdict: Reason } {
  const reader = new FrameReader();
  const lengths: number[] = [];
  let verdict: Reason = Reason.Accepted;
  for (let at = 0, i = 0; at < stream.length; i++) {
    const end = at + (cuts[i % cuts.length] ?? 1);
    verdict = reader.push(stream.subarray(at, end), (body) => {
      lengths.push(body.length);
      return true;
    });
    at = end;
    expect(reader.reservedBytes).toBeLessThanOrEqual(Math.max(1_024, 2 * stream.length));
    expect(reader.reservedBytes).toBeLessThanOrEqual(LIMITS.NODE_FRAME_BYTES);
  }
  return { lengths, verdict };
}
