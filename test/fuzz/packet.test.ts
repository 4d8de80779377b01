// The fuzzer, in short: its readers hold, its runs replay from their seed, and it does find what it looks for.
import { describe, expect, it } from 'vitest';
import { decode, encode, u64 } from '../../src/core/codec.js';
import { mutated } from '../../src/api/fuzz/mutate.js';
import { runFuzz } from '../../src/api/fuzz/fuzzer.js';
import { FUZZ_TARGETS, type FuzzTarget } from '../../src/api/fuzz/targets.js';
import { systemClock } from '../../src/core/clock.js';
import { equalBytes } from '../../src/core/bytes.js';
import { randomBelow, SeededRandom, systemRandom } from '../../src/core/random.js';
import { meshVectors } from '../support/mesh-vectors.js';

const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? '3');
const seed = Number(process.env['FUZZ_SEED'] ?? randomBelow(systemRandom, 2 ** 32));

function target(name: string): FuzzTarget {
  const make = FUZZ_TARGETS.get(name);
  if (make === undefined) expect.fail(`no target ${name}`);
  return make();
}

/** Moves 1 ms whenever it is read: a time box of so many inputs. */
function countingClock(): { monotonicMillis(): number } {
  let now = 0;
  return { monotonicMillis: () => now++ };
}

describe('fuzz', () => {
  it(`every reader holds its invariants (FUZZ_SEED=${seed} FUZZ_SECONDS=${FUZZ_SECONDS} replays)`, async () => {
    const targets = [...FUZZ_TARGETS.values()].map((make) => make());
    const report = await runFuzz({ targets, seed, seconds: FUZZ_SECONDS, clock: systemClock });
    expect(report.failure).toBeNull();
    for (const { name, inputs, accepted } of report.targets) {
      expect(inputs, name).toBeGreaterThan(20);
      expect(accepted, name).toBeGreaterThan(0);
    }
  }, 60_000);

  it('the golden bytes of packets hold under damage as well', () => {
    const random = new SeededRandom(seed);
    const packet = target('packet');
    const corpus = meshVectors
      .filter(({ inspectKind }) => inspectKind === 'packet')
      .map(({ bytes }) => bytes);
    for (let i = 0; i < 5_000; i++) {
      const input = mutated(corpus, random);
      const verdict = packet.check(input);
      if (typeof verdict === 'object') expect.fail(`${verdict.fault}: ${Buffer.from(input).toString('hex')}`);
    }
  });

  it('the same seed makes the same inputs, whatever runs beside them', async () => {
    const inputsOf = async (others: readonly string[], runSeed: number): Promise<string[]> => {
      const proof = target('proof');
      const inputs: string[] = [];
      const recorded: FuzzTarget = {
        ...proof,
        check: (input) => {
          inputs.push(Buffer.from(input).toString('hex'));
          return proof.check(input);
        },
      };
      const targets = [recorded, ...others.map(target)];
      await runFuzz({ targets, seed: runSeed, seconds: 3, clock: countingClock() });
      return inputs.slice(0, 200);
    };
    const alone = await inputsOf([], 5);
    expect(alone).toHaveLength(200);
    expect(await inputsOf(['discovery', 'covenant'], 5)).toEqual(alone);
    expect(await inputsOf([], 6)).not.toEqual(alone);
  });

  it('finds what throws, what does not encode back, and what takes long', async () => {
    const samples = [encode(u64, 7n)];
    const faulty = (name: string, check: FuzzTarget['check']): FuzzTarget => ({ name, samples, check });
    const throws = faulty('throws', (input) => {
      if (input.length > 8) throw new Error('too long for me');
      return 'accepted';
    });
    const forgets = faulty('forgets', (input) => {
      const decoded = decode(u64, input);
      if (!decoded.ok) return 'refused';
      const again = encode(u64, BigInt(Number(decoded.value)) & 0xffff_ffff_ffff_ffffn);
      return equalBytes(again, input) ? 'accepted' : { fault: 'encodes back to other bytes' };
    });
    for (const [bad, fault] of [
      [throws, 'threw: too long for me'],
      [forgets, 'encodes back to other bytes'],
    ] as const) {
      const report = await runFuzz({ targets: [bad], seed: 1, seconds: 10, clock: systemClock });
      expect(report.failure).toMatchObject({ target: bad.name, fault });
      const hex = report.failure?.hex ?? '';
      expect(() => {
        const verdict = bad.check(Buffer.from(hex, 'hex'));
        if (typeof verdict === 'object') throw new Error(verdict.fault);
      }).toThrow();
    }

    let now = 0;
    const slow = faulty('slow', () => {
      now += 1_100;
      return 'accepted';
    });
    const report = await runFuzz({
      targets: [slow],
      seed: 1,
      seconds: 10,
      clock: { monotonicMillis: () => now },
    });
    expect(report.failure?.fault).toBe('took 1100 ms');
  });
});
