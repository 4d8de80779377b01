import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { SeededRandom } from '../../../src/core/random.js';
import { LinkDirection, PERFECT_LINK, type LinkQuality } from '../../../src/dev/link.js';
import { DevNetwork, TOPOLOGIES, topologyLinks } from '../../../src/dev/index.js';

function arrivals(quality: Partial<LinkQuality>, seed: number, count: number, pauseMillis = 0): number[] {
  const clock = new VirtualClock();
  const got: number[] = [];
  const link = new LinkDirection({ ...PERFECT_LINK, ...quality }, clock, new SeededRandom(seed), (bytes) => {
    got.push(new DataView(bytes.buffer).getUint32(0));
  });
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, i);
    link.send(bytes);
    clock.advance(pauseMillis);
  }
  clock.advance(10_000);
  const { sent, delivered, lost, overflowed, inFlight } = link.stats();
  expect(inFlight).toBe(0);
  expect(sent).toBe(delivered + lost + overflowed);
  expect(delivered).toBe(got.length);
  return got;
}

describe('virtual link', () => {
  test('the same seed loses and reorders the same packets', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (seed, lossRate, reorderRate) => {
          const quality = { lossRate, reorderRate };
          expect(arrivals(quality, seed, 50)).toEqual(arrivals(quality, seed, 50));
        },
      ),
    );
  });

  test('what is lost does not depend on the latency, the order or the pace', () => {
    const lossRate = 0.3;
    const plain = arrivals({ lossRate }, 7, 200);
    const slow = arrivals({ lossRate, latencyMillis: 35 }, 7, 200, 3);
    const mixed = arrivals({ lossRate, reorderRate: 0.5 }, 7, 200);
    expect(slow).toEqual(plain);
    expect([...mixed].sort((a, b) => a - b)).toEqual(plain);
    expect(mixed).not.toEqual(plain);
    expect(plain.length).toBeGreaterThan(110);
    expect(plain.length).toBeLessThan(170);
  });

  test('a reordered packet is overtaken by at most four, and goes by itself when nothing follows', () => {
    const got = arrivals({ reorderRate: 0.4 }, 3, 300);
    expect(got).toHaveLength(300);
    for (const [position, sent] of got.entries()) {
      const overtakers = got.slice(0, position).filter((earlier) => earlier > sent);
      expect(overtakers.length).toBeLessThanOrEqual(4);
    }
    expect(arrivals({ reorderRate: 1 }, 3, 1)).toEqual([0]);
  });

  test('a perfect link delivers at once, a latent one after its latency', () => {
    const clock = new VirtualClock();
    let got = 0;
    const link = new LinkDirection(PERFECT_LINK, clock, new SeededRandom(1), () => got++);
    link.send(new Uint8Array(1));
    expect(got).toBe(1);
    link.setQuality({ ...PERFECT_LINK, latencyMillis: 50 });
    link.send(new Uint8Array(1));
    clock.advance(49);
    expect(got).toBe(1);
    clock.advance(1);
    expect(got).toBe(2);
  });

  test('what is under way is bounded, and lost when the link is cut', () => {
    const clock = new VirtualClock();
    let got = 0;
    const link = new LinkDirection(
      { ...PERFECT_LINK, latencyMillis: 5 },
      clock,
      new SeededRandom(1),
      () => got++,
    );
    const big = new Uint8Array(1_000_000);
    for (let i = 0; i < 100; i++) link.send(big);
    expect(link.stats().overflowed).toBe(33);
    link.close();
    clock.advance(1_000);
    expect(got).toBe(0);
    expect(link.stats()).toMatchObject({ lost: 67, inFlight: 0 });
  });
});

describe('virtual network', () => {
  test('light peers that answer each other do not recurse', () => {
    const network = new DevNetwork();
    let bounces = 0;
    const a = network.join('203.0.113.1:1', (from, bytes) => {
      if (++bounces < 20_000) a.send(from, bytes);
    });
    const b = network.join('203.0.113.2:1', (from, bytes) => b.send(from, bytes));
    a.connect(b.address);
    expect(a.send(b.address, new Uint8Array(1))).toBe(true);
    expect(bounces).toBe(20_000);
    b.leave();
    expect(a.send(b.address, new Uint8Array(1))).toBe(false);
    expect(network.links()).toEqual([]);
  });

  test('an address, and a link with oneself, are refused twice', () => {
    const network = new DevNetwork();
    const peer = network.join('203.0.113.1:1', () => undefined);
    expect(() => network.join('203.0.113.1:1', () => undefined)).toThrow(/taken/);
    expect(() => {
      peer.connect(peer.address);
    }).toThrow(/itself/);
    expect(() => {
      peer.connect('203.0.113.9:1');
    }).toThrow(/no node/);
  });

  test('every topology joins all nodes, each pair once', () => {
    for (const topology of TOPOLOGIES) {
      for (let nodes = 1; nodes <= 20; nodes++) {
        const links = topologyLinks(topology, nodes);
        const keys = new Set(links.map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`));
        expect(keys.size).toBe(links.length);
        const reached = new Set([0]);
        for (let i = 0; i < nodes; i++) {
          for (const [a, b] of links) {
            if (reached.has(a)) reached.add(b);
            if (reached.has(b)) reached.add(a);
          }
        }
        expect(reached.size).toBe(nodes);
      }
    }
    expect(topologyLinks('chords', 9).length).toBeGreaterThan(9);
  });
});
