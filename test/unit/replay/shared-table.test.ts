// architecture.md, replay table; cheats 30 and 45: one winner among threads, whatever is freed meanwhile.
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { PlainFingerprinter, type Fingerprinter } from '../../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../../src/replay/shared-table.js';
import { PlainReplayTable } from '../../../src/replay/table.js';
import { runReplayCampaign } from '../../../src/stress/replay-campaign.js';
import { WasmKernel } from '../../../src/wasm/kernel.js';
import { replayKey, replayTableContract } from '../../contract/replay-table.js';

const SECRET = new SeededRandom(1).bytes(16);
const fingerprinter = new PlainFingerprinter(SECRET);

/** A key of 32 bytes by its number, made in no time; see replayKey. */
function numbered(number: number): Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, number);
  return key;
}

replayTableContract('plain', (capacity) => new PlainReplayTable(capacity));
replayTableContract('shared, plain fingerprints', (capacity) =>
  SharedReplayTable.create(fingerprinter, capacity),
);
replayTableContract('shared, wasm fingerprints', (capacity) =>
  SharedReplayTable.create(WasmKernel.load(SECRET), capacity),
);

describe('shared replay table', () => {
  it('is one table for all who attach to its memory', () => {
    const owner = SharedReplayTable.create(fingerprinter, 64);
    const other = SharedReplayTable.attach(owner.memory, WasmKernel.load(SECRET));
    expect(owner.claim(replayKey(1), 100)).toBe('claimed');
    expect(other.claim(replayKey(1), 100)).toBe('taken');
    expect(other.claim(replayKey(2), 100)).toBe('claimed');
    expect(owner.has(replayKey(2))).toBe(true);
    expect(other.stats()).toEqual(owner.stats());
    owner.expire(2_000);
    expect(other.stats()).toMatchObject({ keys: 0, capacity: 64 });
    expect(other.horizonSeconds()).toBe(2_000);
  });

  it('is taken care of by its owner alone', () => {
    const owner = SharedReplayTable.create(fingerprinter, 64);
    const other = SharedReplayTable.attach(owner.memory, fingerprinter);
    expect(() => other.expire(1)).toThrow(/thread that made it/);
    expect(() => other.tend()).toThrow(/thread that made it/);
    expect(() => {
      other.release(replayKey(1));
    }).toThrow(/thread that made it/);
  });

  it('refuses memory that holds something else', () => {
    expect(() => SharedReplayTable.attach(new SharedArrayBuffer(65_536), fingerprinter)).toThrow(
      /replay table/,
    );
  });

  it('forgets in bounded steps that come to an end', () => {
    const table = SharedReplayTable.create(WasmKernel.load(SECRET), 4 * LIMITS.REPLAY_SWEEP);
    const keys = 3 * LIMITS.REPLAY_SWEEP + 100;
    for (let i = 0; i < keys; i++) expect(table.claim(numbered(i), 100)).toBe('claimed');
    expect([1, 2, 3, 4, 5].map(() => table.expire(2_000))).toEqual([
      LIMITS.REPLAY_SWEEP,
      LIMITS.REPLAY_SWEEP,
      LIMITS.REPLAY_SWEEP,
      100,
      0,
    ]);
    for (let i = 0; i < 10; i++) expect(table.claim(numbered(i), 5_000)).toBe('claimed');
    expect(table.expire(6_144)).toBe(10);
  });

  it('uses the memory of what it forgot again, over many turns of the wheel of time buckets', () => {
    const table = SharedReplayTable.create(WasmKernel.load(SECRET), 4_096);
    let now = 1_000_000;
    let number = 0;
    let most = 0;
    for (let turn = 0; turn < 300; turn++) {
      table.expire(now);
      for (let i = 0; i < 200; i++)
        expect(table.claim(numbered(number++), now + (i % 40) * 600)).toBe('claimed');
      most = Math.max(most, table.stats().bytes);
      now += 2_000;
    }
    const { keys, refused, bytes } = table.stats();
    expect({ refused, isFlat: bytes === most }).toEqual({ refused: 0, isFlat: true });
    expect(keys).toBeLessThan(4_096);
    table.expire(now + 100_000);
    expect(table.stats().keys).toBe(0);
  });

  it('counts what it found no room for', () => {
    const table = SharedReplayTable.create(fingerprinter, 100);
    for (let i = 0; i < 110; i++) table.claim(numbered(i), 100);
    expect(table.stats()).toMatchObject({ keys: 100, refused: 10 });
  });

  // A claim in the middle of its work is made by a fingerprinter that calls back: the rival's whole claim runs
  // before this one has looked at the table.
  it('counts a rival that comes in between as the winner', () => {
    const table = SharedReplayTable.create(fingerprinter, 32);
    const rival = SharedReplayTable.attach(table.memory, new PlainFingerprinter(SECRET));
    const interrupted: Fingerprinter = {
      fingerprint: (key, out) => {
        fingerprinter.fingerprint(key, out);
        expect(rival.claim(key, 100)).toBe('claimed');
      },
    };
    expect(SharedReplayTable.attach(table.memory, interrupted).claim(replayKey(1), 100)).toBe('taken');
  });
});

describe('shared replay table § growth', () => {
  it('holds every key while it grows, at no more than 32 bytes each from 65,536 keys on', () => {
    const keys = 300_000;
    const kernel = WasmKernel.load(SECRET);
    const table = SharedReplayTable.create(kernel, keys);
    let shards = 0;
    let steps = 0;
    for (let i = 0; i < keys; i++) {
      if (table.claim(numbered(i), 100_000) !== 'claimed') expect(i).toBe('claimed');
      if (i % 997 !== 0) continue;
      const stats = table.stats();
      if (stats.shards === shards) continue;
      shards = stats.shards;
      steps++;
      if (stats.keys >= 65_536) expect(stats.bytes / stats.keys).toBeLessThan(32);
      expect(stats.fullestShard).toBeLessThan(0.85);
      for (const n of [0, i >> 1, i]) expect(table.has(numbered(n))).toBe(true);
    }
    expect(steps).toBeGreaterThan(80);
    let lost = 0;
    for (let i = 0; i < keys; i++) if (table.claim(numbered(i), 100_000) !== 'taken') lost++;
    for (let i = keys; i < keys + 50_000; i++) if (table.has(numbered(i))) lost++;
    expect(lost).toBe(0);
    const stats = table.stats();
    expect(stats).toMatchObject({ keys, capacity: keys, refused: 0 });
    expect(stats.probes).toBeGreaterThan(1);
    expect(stats.probes).toBeLessThan(1.6);
    expect(stats.emptiestShard).toBeGreaterThan(0.1);
  });

  it('takes what the claims of other threads need, as long as its owner tends it once for each', () => {
    const table = SharedReplayTable.create(new PlainFingerprinter(SECRET), 20_000);
    const worker = SharedReplayTable.attach(table.memory, WasmKernel.load(SECRET));
    for (let i = 0; i < 20_000; i++) {
      expect(worker.claim(numbered(i), 100_000)).toBe('claimed');
      table.tend();
    }
    expect(table.stats().shards).toBeGreaterThan(10);
  });

  it('refuses new keys, and loses none, where its owner does nothing', () => {
    const table = SharedReplayTable.create(new PlainFingerprinter(SECRET), 20_000);
    const worker = SharedReplayTable.attach(table.memory, WasmKernel.load(SECRET));
    const claimed: number[] = [];
    for (let i = 0; i < 20_000; i++) if (worker.claim(numbered(i), 100_000) === 'claimed') claimed.push(i);
    expect(table.stats()).toMatchObject({
      shards: 1,
      keys: claimed.length,
      refused: 20_000 - claimed.length,
    });
    expect(claimed.every((n) => worker.has(numbered(n)))).toBe(true);
    table.expire(1_000);
    for (let i = 20_000; i < 20_200; i++) expect(table.claim(numbered(i), 100_000)).toBe('claimed');
  });
});

describe('shared replay table § a thread that dies', () => {
  const operations = ['load', 'store', 'add', 'sub', 'compareExchange'] as const;
  const whole: Readonly<Record<string, unknown>> = Object.fromEntries(
    operations.map((name) => [name, Reflect.get(Atomics, name)]),
  );

  /** Lets a thread do so many atomic operations, then lose its life. @returns whether it came to its end before */
  function dyingAfter(left: number, work: () => void): boolean {
    const dying = (name: (typeof operations)[number]): unknown => {
      const operation = whole[name] as (...parameters: unknown[]) => unknown;
      return (...parameters: unknown[]): unknown => {
        if (left-- <= 0) throw new Error('the thread is dead');
        return operation(...parameters);
      };
    };
    Object.assign(Atomics, Object.fromEntries(operations.map((name) => [name, dying(name)])));
    try {
      work();
      return true;
    } catch (error) {
      expect(String(error)).toMatch(/thread is dead/);
      return false;
    } finally {
      Object.assign(Atomics, whole);
    }
  }

  it.each([
    ['in a table at rest', 0],
    ['while its key is moved', 1],
  ])(
    '%s, at any step: nobody waits, no neighbour is touched, and its key is won once at most',
    (_, splits) => {
      const seen = new Set<string>();
      for (let step = 0; ; step++) {
        const table = SharedReplayTable.create(new PlainFingerprinter(SECRET), 512);
        const dead = SharedReplayTable.attach(table.memory, new PlainFingerprinter(SECRET));
        const other = SharedReplayTable.attach(table.memory, new PlainFingerprinter(SECRET));
        let neighbours = 0;
        // Until a split has begun, and is not over.
        while (neighbours < 20 || (splits === 1 && table.stats().shards < 3)) {
          expect(other.claim(numbered(neighbours++), 5_000)).toBe('claimed');
          if (splits === 1) table.tend();
        }
        let won = 0;
        const isWhole = dyingAfter(step, () => {
          if (dead.claim(replayKey(1), 100) === 'claimed') won++;
        });
        const before = other.has(replayKey(1)) ? 'taken' : 'claimed';
        const outcome = other.claim(replayKey(1), 100);
        expect(outcome).toBe(before);
        seen.add(outcome);
        // Whatever the owner does with it, the key is not lost once it was held.
        for (let i = 0; i < 200; i++) table.tend();
        for (let i = 0; i < neighbours; i++) expect(other.claim(numbered(i), 5_000)).toBe('taken');
        expect(other.claim(numbered(1_000), 5_000)).toBe('claimed');
        if (isWhole || outcome === 'claimed') expect(other.claim(replayKey(1), 100)).toBe('taken');
        for (let i = 0; i < 3; i++) table.expire(2_000);
        for (let i = 0; i < neighbours; i++) expect(other.has(numbered(i))).toBe(true);
        if (isWhole) {
          expect([won, outcome]).toEqual([1, 'taken']);
          break;
        }
      }
      expect([...seen].sort()).toEqual(['claimed', 'taken']);
    },
  );

  it('leaves a key refused from when it first could be seen', () => {
    let isSeen = false;
    for (let step = 0; ; step++) {
      const table = SharedReplayTable.create(new PlainFingerprinter(SECRET), 512);
      const dead = SharedReplayTable.attach(table.memory, new PlainFingerprinter(SECRET));
      const isWhole = dyingAfter(step, () => dead.claim(replayKey(1), 100));
      const outcome = table.claim(replayKey(1), 100);
      expect(outcome).toBe(isSeen || outcome === 'taken' ? 'taken' : 'claimed');
      isSeen = outcome === 'taken';
      if (isWhole) break;
    }
    expect(isSeen).toBe(true);
  });
});

describe('shared replay table § threads', () => {
  it('has exactly one winner for each key that three threads race for, and loses none while they make it grow', async () => {
    const result = await runReplayCampaign({ races: 12_000, keys: 80_000, seed: 7 });
    expect(result.violations).toEqual([]);
    expect(result).toMatchObject({ keys: 92_000, losses: 2 * 92_000 });
    expect(result.shards).toBeGreaterThan(20);
  }, 60_000);
});
