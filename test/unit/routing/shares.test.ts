/** Forwarding shares against a list of everything that was ever forwarded (routing.md, Anti-monopoly). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey, type NodeKey } from '../../../src/core/ids.js';
import { Entities } from '../../../src/routing/entities.js';
import { ForwardingShares, hhiOf, nakamotoOf } from '../../../src/routing/shares.js';
import { id, ids } from '../../support/discovery-bench.js';

const HOUR = 3_600_000;
const key = (number: number): NodeKey => nodeKey(id(number));

describe('forwarding shares', () => {
  it('are those of a slow model over a sliding day, as entities merge and part', () => {
    const packet = fc.record({
      kind: fc.constant('packet' as const),
      routers: fc.uniqueArray(fc.nat(5), { maxLength: 4 }),
      msat: fc.bigInt({ min: 1n, max: 10_000n }),
    });
    const wait = fc.record({ kind: fc.constant('wait' as const), millis: fc.nat(8 * HOUR) });
    const payee = fc.record({
      kind: fc.constant('payee' as const),
      node: fc.nat(5),
      payee: fc.constantFrom('a', null),
    });
    const steps = fc.array(fc.oneof({ weight: 4, arbitrary: packet }, wait, payee), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (all) => {
        const clock = new VirtualClock();
        const entities = new Entities();
        const shares = new ForwardingShares({ entities, clock });
        const log: { hour: number; routers: readonly number[]; msat: number }[] = [];
        for (const step of all) {
          if (step.kind === 'wait') clock.advance(step.millis);
          else if (step.kind === 'payee') entities.setPayee(key(step.node), step.payee);
          else {
            shares.record(ids(...step.routers), step.msat);
            const hour = Math.floor(clock.monotonicMillis() / HOUR);
            log.push({ hour, routers: step.routers, msat: Number(step.msat) });
          }
          const now = Math.floor(clock.monotonicMillis() / HOUR);
          const recent = log.filter(({ hour }) => hour > now - 24);
          const total = recent.reduce((sum, { routers, msat }) => sum + routers.length * msat, 0);
          expect(shares.packets).toBe(recent.length);
          for (let node = 0; node < 6; node++) {
            const entity = entities.entityOf(key(node));
            const own = recent.reduce(
              (sum, { routers, msat }) =>
                sum + msat * routers.filter((router) => entities.entityOf(key(router)) === entity).length,
              0,
            );
            expect(shares.shareOf(entity)).toBeCloseTo(total === 0 ? 0 : own / total, 12);
          }
        }
        const listed = shares.byEntity().map(([, share]) => share);
        if (listed.length > 0) expect(listed.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
      }),
      { numRuns: 200 },
    );
  });

  it('are enforced from the 100th paid packet of the day on', () => {
    const clock = new VirtualClock();
    const shares = new ForwardingShares({ entities: new Entities(), clock });
    for (let i = 0; i < 99; i++) shares.record(ids(1), 5n);
    expect(shares.isEnforced).toBe(false);
    shares.record([], 5n);
    expect(shares.isEnforced).toBe(true);
    clock.advance(24 * HOUR);
    expect(shares.isEnforced).toBe(false);
  });

  it('after one more packet are told before it is sent', () => {
    const shares = new ForwardingShares({ entities: new Entities(), clock: new VirtualClock() });
    shares.record(ids(1, 2), 300n);
    expect(shares.shareAfter(key(1), 200n, 2)).toBeCloseTo(0.5, 12);
    expect(shares.shareAfter(key(3), 200n, 1)).toBeCloseTo(0.25, 12);
  });

  it('give the Herfindahl index and the Nakamoto coefficient', () => {
    expect(hhiOf([1])).toBeCloseTo(10_000);
    expect(hhiOf([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(2_500);
    expect(nakamotoOf([])).toBe(0);
    expect(nakamotoOf([0.6, 0.4])).toBe(1);
    // Half is not more than half.
    expect(nakamotoOf([0.5, 0.5])).toBe(2);
    expect(nakamotoOf([0.1, 0.2, 0.3, 0.4])).toBe(2);
  });
});
