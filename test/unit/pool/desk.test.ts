// architecture.md, worker pool; payments.md, any proof, 8: batches over workers that die at any step. The workers here
// are generators over the real shared memory, which stop between any two operations on it.
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { randomBelow, SeededRandom } from '../../../src/core/random.js';
import { Reason, reasonName } from '../../../src/core/reasons.js';
import { BatchMemory, createBatchMemory } from '../../../src/pool/batch-memory.js';
import { VerdictCounts } from '../../../src/pool/counts.js';
import { Desk } from '../../../src/pool/desk.js';
import { NO_MARK, refusedVerdict } from '../../../src/pool/judge.js';
import type { PacketSender, PacketVerdict } from '../../../src/pool/judge-port.js';

const from = (peer: string): PacketSender => ({ previousHop: null, origin: 'peer', peer });

interface Bed {
  readonly memory: BatchMemory;
  /** The workers' view. */
  readonly theirs: BatchMemory;
  readonly desk: Desk;
  /** How often each packet's payment was claimed. */
  readonly claims: Map<number, number>;
  /** The verdicts on each packet. */
  readonly verdicts: Map<number, string[]>;
}

function bed(workers = 1, batchPackets = 4): Bed {
  const shared = createBatchMemory({ workers, batches: 4 * workers, packets: batchPackets });
  const memory = new BatchMemory(shared);
  const options = { batchPackets, counts: new VerdictCounts(), nowSeconds: () => 7 };
  return {
    memory,
    theirs: new BatchMemory(shared),
    desk: new Desk(memory, 0, options),
    claims: new Map(),
    verdicts: new Map(),
  };
}

function give({ desk, verdicts }: Bed, number: number, peer = 'a'): boolean {
  return desk.put(Uint8Array.of(number & 0xff, number >> 8), from(peer), ({ reason }) => {
    verdicts.set(number, [...(verdicts.get(number) ?? []), reasonName(reason)]);
  });
}

/** As worker.ts, one operation on the memory a step. Claims the payment of every packet. */
function* work({ theirs, claims }: Bed, worker: number): Generator<string, never> {
  for (;;) {
    const batch = theirs.take(worker);
    yield 'taken';
    if (batch === null) continue;
    const { taken } = batch;
    for (let index = batch.begin; index < taken; index++) {
      batch.judging(index);
      yield 'judging';
      const [low = 0, high = 0] = batch.packet(index);
      const number = low + 256 * high;
      batch.claiming(index);
      yield 'claiming';
      claims.set(number, (claims.get(number) ?? 0) + 1);
      yield 'claimed';
      const first = claims.get(number) === 1;
      batch.write(index, refusedVerdict(first ? Reason.Accepted : Reason.ReplayedPayment), false);
      yield 'written';
    }
    batch.judging(taken);
    yield 'judged';
    batch.finish(0, 10);
    yield 'done';
  }
}

describe('desk § a worker that dies', () => {
  // One batch of three packets: 1 step to take it, 4 for each packet, 2 at the end.
  const steps = 1 + 3 * 4 + 2;

  it.each(Array.from({ length: steps }, (_, i) => i + 1))(
    'at step %i loses no packet, and no payment is claimed twice',
    (steps) => {
      const all = bed();
      for (let number = 0; number < 3; number++) give(all, number);
      const dying = work(all, 0);
      let last = '';
      for (let step = 0; step < steps; step++) last = present(dying.next().value, 'it works on');
      all.desk.collect();
      all.desk.reclaim(0);
      const next = work(all, 0);
      for (let step = 0; step < 40; step++) next.next();
      all.desk.collect();
      expect(all.desk.isIdle).toBe(true);
      expect([...all.claims.values()].every((claims) => claims <= 1)).toBe(true);
      const answers = [...all.verdicts.values()];
      expect(answers).toHaveLength(3);
      expect(answers.every((verdicts) => verdicts.length === 1)).toBe(true);
      // Only a packet that was being claimed is refused, and that without a second try.
      const refused = answers.flat().filter((reason) => reason === 'JudgeUnavailable').length;
      expect(refused).toBe(['claiming', 'claimed', 'written'].includes(last) ? 1 : 0);
      expect(answers.flat()).not.toContain('ReplayedPayment');
    },
  );

  it('twice while it judges one packet has that refused, and the rest judged', () => {
    const all = bed();
    for (let number = 0; number < 3; number++) give(all, number);
    for (let death = 0; death < 2; death++) {
      const dying = work(all, 0);
      while (dying.next().value !== 'judging');
      all.desk.reclaim(0);
    }
    const next = work(all, 0);
    for (let step = 0; step < 40; step++) next.next();
    all.desk.collect();
    expect([...all.verdicts.values()].flat()).toEqual(['JudgeUnavailable', 'Accepted', 'Accepted']);
    expect(all.desk.batches).toBe(3);
  });

  it('twice before it has begun anything has the batch refused', () => {
    const all = bed();
    give(all, 0);
    for (let death = 0; death < 2; death++) {
      work(all, 0).next();
      all.desk.reclaim(0);
    }
    expect(all.verdicts.get(0)).toEqual(['JudgeUnavailable']);
    expect(all.desk.isIdle).toBe(true);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'at random, with others: every packet has one verdict (seed %i)',
    (seed) => {
      const random = new SeededRandom(seed);
      const workers = 3;
      const all = bed(workers, 1 + randomBelow(random, 6));
      const hands = Array.from({ length: workers }, (_, worker) => work(all, worker));
      const packets = 1_000;
      let given = 0;
      let kills = 0;
      for (let turn = 0; !(given === packets && all.desk.isIdle); turn++) {
        expect(turn, 'it comes to an end').toBeLessThan(1_000_000);
        const dice = randomBelow(random, 100);
        if (dice < 15 && given < packets) {
          if (give(all, given)) given++;
        } else if (dice < 25) {
          all.desk.collect();
        } else if (dice === 25) {
          const worker = randomBelow(random, workers);
          all.desk.collect();
          all.desk.reclaim(worker);
          hands[worker] = work(all, worker);
          kills++;
        } else {
          hands[randomBelow(random, workers)]?.next();
        }
      }
      expect(kills).toBeGreaterThan(20);
      expect(all.verdicts.size).toBe(packets);
      expect([...all.verdicts.values()].every((verdicts) => verdicts.length === 1)).toBe(true);
      expect([...all.claims.values()].every((claims) => claims === 1)).toBe(true);
      const reasons = new Set([...all.verdicts.values()].flat());
      expect(reasons).toEqual(new Set(['Accepted', 'JudgeUnavailable']));
      expect(all.desk.inFlight).toBe(0);
    },
  );
});

describe('desk § batches', () => {
  it('a batch that a worker has taken gets no further packet; the next one does', () => {
    const all = bed();
    give(all, 0);
    const worker = work(all, 0);
    worker.next();
    give(all, 1);
    expect(all.desk.waiting).toBe(1);
    for (let step = 0; step < 40; step++) worker.next();
    all.desk.collect();
    expect(all.verdicts.size).toBe(2);
    expect(all.desk.batches).toBe(2);
  });

  it('are taken in the order in which they were begun', () => {
    const all = bed(1, 1);
    for (let number = 0; number < 4; number++) give(all, number);
    const order: number[] = [];
    for (let n = 0; n < 4; n++) order.push(present(all.theirs.take(0)?.packet(0)[0], 'a batch waits'));
    expect(order).toEqual([0, 1, 2, 3]);
  });

  it('that are done wait for earlier ones with packets of the same peer, and for no others', () => {
    const all = bed(2, 1);
    give(all, 0, 'a');
    give(all, 1, 'a');
    give(all, 2, 'b');
    const [slow, quick] = [work(all, 0), work(all, 1)];
    slow.next();
    for (let batches = 0; batches < 2; batches++) while (quick.next().value !== 'done');
    all.desk.collect();
    expect([...all.verdicts.keys()]).toEqual([2]);
    while (slow.next().value !== 'done');
    all.desk.collect();
    expect([...all.verdicts.keys()]).toEqual([2, 0, 1]);
    expect(all.desk.isIdle).toBe(true);
  });

  it.each([1, 2, 3, 4])('of any workers keep the order of each peer (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const all = bed(3, 1 + randomBelow(random, 6));
    const hands = [0, 1, 2].map((worker) => work(all, worker));
    const peers = ['a', 'b', 'c', 'd'];
    const packets = 1_000;
    let given = 0;
    for (let turn = 0; !(given === packets && all.desk.isIdle); turn++) {
      expect(turn, 'it comes to an end').toBeLessThan(1_000_000);
      const dice = randomBelow(random, 100);
      if (dice < 15 && given < packets) {
        if (give(all, given, peers[given % 4])) given++;
      } else if (dice < 25) all.desk.collect();
      else hands[randomBelow(random, 3)]?.next();
    }
    const order = [...all.verdicts.keys()];
    for (let peer = 0; peer < 4; peer++) {
      const own = order.filter((number) => number % 4 === peer);
      expect(own).toEqual(own.toSorted((one, other) => one - other));
    }
    expect(order).toHaveLength(packets);
    expect(order).not.toEqual(order.toSorted((one, other) => one - other));
  });

  it('are as many as there are: then there is no room until one is back', () => {
    const all = bed(1, 2);
    let given = 0;
    while (give(all, given)) given++;
    expect(given).toBe(4 * 2);
    const worker = work(all, 0);
    while (worker.next().value !== 'done');
    expect(give(all, given)).toBe(false);
    all.desk.collect();
    expect(give(all, given)).toBe(true);
  });

  it('hold fewer packets where packets took long', () => {
    const all = bed(1, 256);
    const slow = (): void => {
      for (let batch = all.theirs.take(0); batch !== null; batch = all.theirs.take(0)) {
        for (let index = 0; index < batch.taken; index++)
          batch.write(index, refusedVerdict(Reason.Truncated), false);
        batch.judging(batch.taken);
        batch.finish(0, 100 * batch.taken);
      }
      all.desk.collect();
    };
    for (let round = 0; round < 20; round++) {
      give(all, round);
      slow();
    }
    let given = 0;
    while (give(all, 100 + given)) given++;
    expect(given).toBeLessThan(4 * 32);
  });

  it('carry a verdict whole', () => {
    const all = bed();
    const paid: PacketVerdict = {
      kind: 'paid',
      reason: Reason.Accepted,
      protocol: 'MeshPacket',
      controlProtocol: null,
      position: 9,
      amountMsat: 2n ** 64n - 1n,
      priceMsat: 1n,
      expiresAt: 4_000_000_000,
      replayKey: new Uint8Array(32).fill(1),
      payee: '02'.repeat(33),
      mark: NO_MARK,
      hasTtl: true,
      follows: false,
      sequence: 0,
    };
    const free: PacketVerdict = {
      ...{ ...paid, kind: 'free', protocol: 'StratumV2', position: 3 },
      ...{ amountMsat: 0n, priceMsat: 0n, expiresAt: 0, replayKey: null, payee: null },
      ...{ mark: Int32Array.of(7, -1, 2 ** 31 - 1, 0), hasTtl: false },
    };
    const next: PacketVerdict = { ...free, follows: true, sequence: 2 ** 53 - 1 };
    const told: PacketVerdict[] = [];
    const packets = [1, 2, 3, 4].map((byte) => Uint8Array.of(byte));
    for (const [index, bytes] of packets.entries()) {
      all.desk.put(bytes, from('a'), (one, judged) => {
        expect(judged).toBe(packets[index]);
        // Lent for the call.
        told.push(structuredClone(one));
      });
    }
    const batch = present(all.theirs.take(0), 'a batch waits');
    for (const [index, verdict] of [paid, free, next, next].entries()) {
      batch.judging(index);
      // Who says that one follows knows nothing of batches and senders.
      batch.write(index, verdict, index !== 3);
    }
    batch.judging(4);
    batch.finish(0, 1);
    all.desk.collect();
    expect(told).toEqual([paid, free, next, free]);
    expect(batch.sender(0)).toEqual({ previousHop: null, origin: 'peer' });
  });
});
