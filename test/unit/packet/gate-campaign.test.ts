// payments.md, Free traffic: a short run of the gate campaign (`blvm-mesh gate-campaign` runs the long ones), and that
// what it throws at the gate is what it says.
import { describe, expect, it } from 'vitest';
import { runGateCampaign } from '../../../src/api/fuzz/gate-campaign.js';
import { GateMessages, MESSAGE_KINDS } from '../../../src/api/fuzz/gate-messages.js';
import { systemClock } from '../../../src/core/clock.js';
import { present } from '../../../src/core/assert.js';
import { utf8 } from '../../../src/core/bytes.js';
import { BITCOIN_COMMANDS, BITCOIN_MAGICS } from '../../../src/packet/bitcoin-wire.js';
import { DETECTED_PROTOCOLS, PlainProtocolDetector, type BatchDetector } from '../../../src/packet/detect.js';
import { WasmKernel } from '../../../src/wasm/kernel.js';

const detector = WasmKernel.load(new Uint8Array(16));

/** Bits in which two texts of bytes differ. */
function distance(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, byte, i) => {
    let bits = byte ^ present(b[i], 'the same length');
    for (; bits !== 0; bits &= bits - 1) sum += 1;
    return sum;
  }, 0);
}

function pairs<T>(list: readonly T[]): (readonly [T, T])[] {
  return list.flatMap((a, i) => list.slice(i + 1).map((b) => [a, b] as const));
}

describe('gate campaign', () => {
  it('of 200,000 messages: none is free, and the same seed gives the same report', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const progress: number[] = [];
      const onProgress = (done: number): void => void progress.push(done);
      const report = await runGateCampaign({
        messages: 200_000,
        seed,
        detector,
        clock: systemClock,
        onProgress,
      });
      expect(progress.at(-1)).toBe(200_000);
      expect(report).toMatchObject({ free: 0, firstFree: null });
      const { random, prefixed, broken } = report.told;
      expect(random).toMatchObject({ Unknown: 100_000 });
      expect(broken).toMatchObject({ Unknown: 50_000 });
      expect(prefixed.Unknown + prefixed.MeshPacket).toBe(50_000);
      expect(prefixed.MeshPacket).toBeGreaterThan(0);
      return { ...report, elapsedSeconds: 0 };
    };
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
  });

  it('takes exactly as many messages as it is asked for', async () => {
    for (const messages of [1, 7, 5_000]) {
      const { told } = await runGateCampaign({ messages, seed: 3, detector, clock: systemClock });
      const counts = MESSAGE_KINDS.flatMap((kind) => Object.values(told[kind]));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(messages);
    }
  });

  it('tells the first message that a detector lets pass: here one that takes two bytes for Stratum V2', async () => {
    const lenient: BatchDetector = {
      detectProtocol: (data) => detector.detectProtocol(data),
      detectMany: (data, ends, codes) => {
        detector.detectMany(data, ends, codes);
        ends.forEach((end, i) => {
          const start = ends[i - 1] ?? 0;
          if (end - start > 2 && data[start] === 0 && data[start + 1] === 1) {
            codes[i] = DETECTED_PROTOCOLS.indexOf('StratumV2');
          }
        });
      },
    };
    const report = await runGateCampaign({
      messages: 50_000,
      seed: 1,
      detector: lenient,
      clock: systemClock,
    });
    expect(report.free).toBeGreaterThan(1);
    expect(report.firstFree).toMatchObject({ protocol: 'StratumV2' });
    expect(report.firstFree?.hex).toMatch(/^0001/);
    const until = 1 + present(report.firstFree, 'a free message').message;
    const again = await runGateCampaign({ messages: until, seed: 1, detector: lenient, clock: systemClock });
    expect(again).toMatchObject({ free: 1, firstFree: report.firstFree });
  });

  it('the plain detector says the same of every message', () => {
    const plain = new PlainProtocolDetector();
    const source = new GateMessages(5);
    for (let batch = 0; batch < 5; batch++) {
      const { data, ends } = source.next();
      expect(ends.length).toBeGreaterThan(200);
      ends.forEach((end, i) => {
        const told = plain.detectProtocol(data.subarray(ends[i - 1] ?? 0, end));
        expect(['Unknown', 'MeshPacket']).toContain(told);
      });
    }
  });

  it('a flipped bit breaks a Bitcoin message for sure: no two magics and no two commands are one bit apart', () => {
    const magics = Object.values(BITCOIN_MAGICS).map((magic) => Uint8Array.from(magic));
    const commands = BITCOIN_COMMANDS.map((command) => utf8(command.padEnd(12, '\0')));
    for (const [a, b] of [...pairs(magics), ...pairs(commands)]) expect(distance(a, b)).toBeGreaterThan(1);
  });
});
