// routing.md, Fees: what a route costs, and what a neighbour's own price list (docs/transport.md, Hello) does to that.
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../../src/core/bincode.js';
import type { FeeSchedule } from '../../../src/core/policy.js';
import { RoutePrices } from '../../../src/routing/prices.js';
import type { Route } from '../../../src/routing/route.js';
import { testNode } from '../../support/packets.js';

const OWN: FeeSchedule = { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 1_000n };
const [SELF, NEAR, FAR, OTHER] = [testNode(1), testNode(2), testNode(3), testNode(4)];

const direct: Route = { ids: [SELF, NEAR], cost: 0n, learnedAtMillis: 0 };
const viaNear: Route = { ids: [SELF, NEAR, FAR], cost: 2n, learnedAtMillis: 0 };
const viaOther: Route = { ids: [SELF, OTHER, FAR], cost: 2n, learnedAtMillis: 0 };

/** base + per hop x 2 + 1,000,000 x ppm / 10^6 + 2 sats. */
const VIA_MSAT = 1_000n + 200n + 1_000n + 2_000n;

describe('price of a route', () => {
  it('is by the own schedule, with what the hops declared on top', () => {
    const prices = new RoutePrices(OWN);
    expect(prices.of(direct, 0n)).toBe(1_100n);
    expect(prices.of(viaNear, 1_000_000n)).toBe(VIA_MSAT);
  });

  it('is not below what the first hop asks by its own list, and other routes keep theirs', () => {
    const prices = new RoutePrices(OWN);
    prices.declare(NEAR, { ...OWN, baseMsat: 9_000n, perHopMsat: 500n, proportionalPpm: 2_000n });
    expect(prices.of(viaNear, 1_000_000n)).toBe(9_000n + 2n * 500n + 2_000n);
    expect(prices.of(direct, 0n)).toBe(9_500n);
    expect(prices.of(viaOther, 1_000_000n)).toBe(VIA_MSAT);
  });

  it('of one packet is what this node asks for it, or the first hop where that asks more', () => {
    const prices = new RoutePrices(OWN);
    expect(prices.ofPacket(viaNear, 1_025)).toBe(1_000n + 200n + 20n);
    prices.declare(NEAR, { ...OWN, baseMsat: 9_000n, perKibMsat: 1n });
    expect(prices.ofPacket(viaNear, 1_025)).toBe(9_000n + 200n + 2n);
    expect(prices.ofPacket(viaOther, 1_025)).toBe(1_220n);
    prices.declare(NEAR, { ...OWN, baseMsat: 0n });
    expect(prices.ofPacket(viaNear, 1_025)).toBe(1_220n);
  });

  it('stays what it is where the first hop asks for no more, and where it is gone', () => {
    const prices = new RoutePrices(OWN);
    prices.declare(NEAR, OWN);
    expect(prices.of(viaNear, 1_000_000n)).toBe(VIA_MSAT);
    prices.declare(NEAR, { ...OWN, baseMsat: 0n, perHopMsat: 0n });
    expect(prices.of(viaNear, 1_000_000n)).toBe(VIA_MSAT);
    prices.declare(NEAR, { ...OWN, baseMsat: 9_000n });
    prices.declare(NEAR, null);
    expect(prices.of(viaNear, 1_000_000n)).toBe(VIA_MSAT);
  });

  it('saturates, whatever a neighbour asks', () => {
    const prices = new RoutePrices(OWN);
    const most = { baseMsat: U64_MAX, perHopMsat: U64_MAX, perKibMsat: U64_MAX, proportionalPpm: U64_MAX };
    prices.declare(NEAR, most);
    expect(prices.of(viaNear, U64_MAX)).toBe(U64_MAX);
    expect(prices.of(viaOther, 0n)).toBe(1_000n + 200n + 2_000n);
  });
});
