// api.md, ReplayPrevention; payments.md, any proof, 4 to 6; cheats 23, 25, 36 and 44.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { reasonName, type Reason } from '../../../src/core/reasons.js';
import { ReplayPrevention, type PaymentKey } from '../../../src/replay/replay-prevention.js';
import { PlainReplayTable } from '../../../src/replay/table.js';
import { replayKey } from '../../contract/replay-table.js';
import { testNode } from '../../support/packets.js';

const LAST = (1n << 64n) - 1n;

function setUp(capacity = 1_000, senders = 100): { prevention: ReplayPrevention; clock: VirtualClock } {
  const clock = new VirtualClock();
  return { clock, prevention: new ReplayPrevention(new PlainReplayTable(capacity), clock, senders) };
}

function payment(number: number, expiresAt = 1_900_000_000): PaymentKey {
  return { key: replayKey(number), expiresAt };
}

const name = (reason: Reason): string => reasonName(reason);

describe('replay prevention', () => {
  it('cheat 23 › refuses a payment that was used already', () => {
    const { prevention } = setUp();
    expect(name(prevention.checkReplay(payment(1), testNode(1), 1n))).toBe('Accepted');
    expect(name(prevention.checkReplay(payment(1), testNode(1), 2n))).toBe('ReplayedPayment');
    expect(name(prevention.checkReplay(payment(1), null, 9n))).toBe('ReplayedPayment');
  });

  it('refuses a sequence number of the same authenticated sender, paid or free', () => {
    const { prevention } = setUp();
    expect(name(prevention.checkReplay(null, testNode(1), 7n))).toBe('Accepted');
    expect(name(prevention.checkReplay(null, testNode(1), 7n))).toBe('SequenceReplayed');
    expect(name(prevention.checkReplay(payment(1), testNode(1), 7n))).toBe('SequenceReplayed');
    expect(name(prevention.checkReplay(payment(1), testNode(2), 7n))).toBe('Accepted');
  });

  it('cheat 25 › a refused payment moves no window, whatever its sequence number', () => {
    const { prevention } = setUp();
    prevention.checkReplay(payment(1), testNode(1), 1n);
    expect(name(prevention.checkReplay(payment(1), testNode(1), LAST))).toBe('ReplayedPayment');
    expect(name(prevention.checkReplay(payment(2), testNode(1), 2n))).toBe('Accepted');
  });

  it('cheat 44 › a relayed packet moves nobody else’s window', () => {
    const { prevention } = setUp();
    expect(name(prevention.checkReplay(payment(1), null, LAST))).toBe('Accepted');
    expect(prevention.stats().trackedPeers).toBe(0);
    expect(name(prevention.checkReplay(payment(2), testNode(1), 1n))).toBe('Accepted');
  });

  it('a sequence number that was refused claims no payment', () => {
    const { prevention } = setUp();
    prevention.checkReplay(null, testNode(1), 1n);
    prevention.checkReplay(payment(1), testNode(1), 1n);
    expect(name(prevention.checkReplay(payment(1), testNode(1), 2n))).toBe('Accepted');
  });

  it('says when no further payment can be remembered', () => {
    const { prevention } = setUp(1);
    prevention.checkReplay(payment(1), null, 1n);
    expect(name(prevention.checkReplay(payment(2), null, 1n))).toBe('ReplayTableFull');
    expect(name(prevention.checkReplay(payment(1), null, 1n))).toBe('ReplayedPayment');
  });

  it('forgets payments by the clock, and counts them', () => {
    const { prevention, clock } = setUp();
    const now = clock.unixSeconds();
    const hour = 3_600;
    for (let i = 0; i < 10; i++) prevention.checkReplay(payment(i, now + i * hour), null, 1n);
    clock.advance(4.5 * hour * 1_000);
    expect(prevention.cleanupExpired()).toBe(5);
    expect(prevention.stats()).toEqual({ activeHashes: 5, trackedPeers: 0, expirySeconds: 86_400 });
    expect(prevention.tableStats()).toMatchObject({ keys: 5, capacity: 1_000, refused: 0 });
  });

  it('keeps a bounded number of senders, the ones that spoke last', () => {
    const { prevention } = setUp(10, 2);
    for (const sender of [1, 2, 3]) prevention.checkReplay(null, testNode(sender), 5n);
    expect(prevention.stats().trackedPeers).toBe(2);
    expect(name(prevention.checkReplay(null, testNode(3), 5n))).toBe('SequenceReplayed');
    expect(name(prevention.checkReplay(null, testNode(2), 5n))).toBe('SequenceReplayed');
    expect(name(prevention.checkReplay(null, testNode(1), 5n))).toBe('Accepted');
  });
});
