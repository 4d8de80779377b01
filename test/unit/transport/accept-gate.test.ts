// Who may come in before a handshake is paid for. Rules: docs/transport.md, Limits.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { NetworkGroups } from '../../../src/routing/network-group.js';
import { AcceptGate } from '../../../src/transport/accept-gate.js';

/** One of 65,536 addresses of one group. */
function address(number: number): string {
  return `8.8.${(number >> 8) & 255}.${number & 255}`;
}

function bed(): { readonly gate: AcceptGate; readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  return { gate: new AcceptGate(clock, new NetworkGroups()), clock };
}

describe('accept gate', () => {
  it('lets 10,000 addresses of one group in as one: so many at once, so many a second', () => {
    const { gate, clock } = bed();
    const counts = new Map<Reason, number>();
    for (let i = 0; i < 10_000; i++) {
      const reason = gate.enter(address(i));
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
      if (reason === Reason.Accepted) gate.handshakeDone();
    }
    expect(counts.get(Reason.Accepted)).toBe(LIMITS.TRANSPORT_PER_GROUP);
    expect(counts.get(Reason.AddressLimit)).toBe(10_000 - LIMITS.TRANSPORT_PER_GROUP);
    // Another group is not in its way.
    expect(gate.enter('9.9.9.9')).toBe(Reason.Accepted);
    // Whoever goes makes room for one, in the time of the group's rate.
    for (let i = 0; i < 64; i++) gate.left(address(i));
    let again = 0;
    for (let second = 0; second < 4; second++) {
      clock.advance(1_000);
      for (let i = 0; i < 1_000; i++) {
        if (gate.enter(address(20_000 + i)) !== Reason.Accepted) continue;
        gate.handshakeDone();
        again += 1;
      }
    }
    expect(again).toBe(4 * LIMITS.TRANSPORT_GROUP_PER_SECOND);
  });

  it('takes connections that come and go as fast as they may, for ever, and forgets nothing of its places', () => {
    const { gate, clock } = bed();
    let taken = 0;
    for (let i = 0; i < 2_000; i++) {
      clock.advance(100);
      if (gate.enter('8.8.8.8') !== Reason.Accepted) continue;
      gate.handshakeDone();
      gate.left('8.8.8.8');
      taken += 1;
    }
    const allowed = 200 * LIMITS.TRANSPORT_ADDRESS_PER_SECOND;
    expect(taken).toBeGreaterThanOrEqual(allowed);
    expect(taken).toBeLessThan(allowed + 10 * LIMITS.TRANSPORT_ADDRESS_PER_SECOND);
    expect(gate.handshakes).toBe(0);
  });

  it('bounds the handshakes of all together', () => {
    const { gate } = bed();
    const reasons = Array.from({ length: 1_000 }, (_, i) => gate.enter(`${20 + (i >> 4)}.${i & 15}.0.1`));
    expect(reasons.filter((reason) => reason === Reason.Accepted)).toHaveLength(LIMITS.TRANSPORT_HANDSHAKES);
    expect(reasons.at(-1)).toBe(Reason.HandshakeLimit);
    expect(gate.handshakes).toBe(LIMITS.TRANSPORT_HANDSHAKES);
  });
});
