// The flight recorder: what it keeps, what it leaves out, and that newer packets take the place of older ones only.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { FlightRecorder, digestOf } from '../../../src/metrics/recorder.js';
import { packetId } from '../../../src/packet/packet.js';
import { testNode } from '../../support/packets.js';

const bytesOf = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

function recorderOf(entries = 8, bytes = 65_536): { recorder: FlightRecorder; clock: VirtualClock } {
  const clock = new VirtualClock(1_800_000_000);
  return { recorder: new FlightRecorder({ clock, entries, bytes }), clock };
}

describe('flight recorder', () => {
  it('keeps a refused packet as it came, with when, from whom and why', () => {
    const { recorder, clock } = recorderOf();
    clock.advance(1_500);
    recorder.refused(Reason.AmountTooLow, bytesOf(300, 7), '10.0.0.2:1', testNode(3));
    clock.advance(2_500);
    expect(recorder.at(0)).toEqual({
      sequence: 0,
      atMillis: 1_800_000_001_500,
      outcome: 'refused',
      reason: Reason.AmountTooLow,
      from: '10.0.0.2:1',
      previousHop: testNode(3),
      length: 300,
      head: bytesOf(300, 7),
      digest: null,
    });
    expect(recorder.at(1)).toBeNull();
  });

  it('keeps the bytes, not the view: what the caller does with them later changes nothing', () => {
    const { recorder } = recorderOf();
    const bytes = bytesOf(10, 1);
    recorder.refused(Reason.Truncated, bytes, 'a:1', null);
    bytes.fill(9);
    expect(recorder.at(0)?.head).toEqual(bytesOf(10, 1));
  });

  it('keeps the first bytes of a large packet and its id', () => {
    const { recorder } = recorderOf();
    const large = bytesOf(10_000, 5);
    recorder.refused(Reason.AmountTooLow, large, 'a:1', null);
    const record = recorder.at(0);
    expect(record?.head).toHaveLength(LIMITS.RECORDER_PACKET_BYTES);
    expect(record?.length).toBe(10_000);
    expect(record?.digest).toEqual(packetId(large));
  });

  it('makes no more ids of large packets than the bytes of a second allow', () => {
    const { recorder } = recorderOf();
    const large = bytesOf(900_000, 5);
    for (let i = 0; i < 3; i++) recorder.refused(Reason.AmountTooLow, large, 'a:1', null);
    expect([0, 1, 2].map((at) => recorder.at(at)?.digest === null)).toEqual([false, false, true]);
    recorder.renew();
    recorder.refused(Reason.AmountTooLow, large, 'a:1', null);
    expect(recorder.at(3)?.digest).not.toBeNull();
  });

  it('lets the oldest entries go, and the oldest bytes before their entries', () => {
    const { recorder } = recorderOf(100, 6_000);
    for (let i = 0; i < 150; i++) recorder.refused(Reason.Truncated, bytesOf(1_000, i), `p:${i}`, null);
    expect(recorder.range).toEqual({ oldest: 50, next: 150 });
    expect(recorder.at(49)).toBeNull();
    expect(recorder.at(50)).toMatchObject({ from: 'p:50', length: 1_000, head: new Uint8Array(0) });
    for (let i = 145; i < 150; i++) expect(recorder.at(i)?.head).toEqual(bytesOf(1_000, i));
  });

  it('never shows the bytes of another packet, whatever their lengths', () => {
    const { recorder } = recorderOf(16, 5_000);
    for (let i = 0; i < 400; i++) {
      const length = 1 + ((i * 7_919) % 2_100);
      recorder.refused(Reason.Truncated, bytesOf(length, i % 251), 'a:1', null);
      const { oldest, next } = recorder.range;
      for (let at = oldest; at < next; at++) {
        const head = recorder.at(at)?.head ?? new Uint8Array(0);
        expect(head.every((byte) => byte === at % 251)).toBe(true);
      }
    }
  });

  it('keeps every refusal that says something of the packet, and of a flood as many as the rate', () => {
    const { recorder } = recorderOf(10_000);
    for (let i = 0; i < 1_000; i++) {
      recorder.refused(Reason.PacketQuotaExceeded, bytesOf(4, 1), 'a:1', null);
      recorder.refused(Reason.WrongPreimage, bytesOf(4, 2), 'a:1', null);
    }
    expect(recorder.stats()).toMatchObject({
      recorded: 1_000 + LIMITS.RECORDER_PER_SECOND,
      floodedOut: 1_000 - LIMITS.RECORDER_PER_SECOND,
    });
  });

  it('keeps what passed up to the rate, one of many above it, and all again a second later', () => {
    const { recorder } = recorderOf(100_000);
    const packet = { bytes: bytesOf(4, 1), from: null };
    const extra = 100 * LIMITS.RECORDER_SAMPLE;
    for (let i = 0; i < LIMITS.RECORDER_PER_SECOND + extra; i++)
      recorder.passed('delivered', packet, Reason.Accepted);
    expect(recorder.stats()).toMatchObject({ recorded: LIMITS.RECORDER_PER_SECOND + 100, aboveRate: extra });
    recorder.renew();
    recorder.passed('forwarded', packet, Reason.Accepted);
    expect(recorder.at(LIMITS.RECORDER_PER_SECOND + 100)?.outcome).toBe('forwarded');
  });

  it('makes ids as the wire does, with and without MESH in front', () => {
    const marked = new Uint8Array([0x4d, 0x45, 0x53, 0x48, 1, 2, 3]);
    expect(new Uint8Array(digestOf(marked))).toEqual(packetId(marked));
    expect(digestOf(marked)).toEqual(digestOf(marked.subarray(4)));
  });
});
