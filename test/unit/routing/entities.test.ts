/** Who is who: entities, network groups, dominant owners (routing.md, Anti-monopoly). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeKey, type NodeKey } from '../../../src/core/ids.js';
import { Entities } from '../../../src/routing/entities.js';
import { isPrefix, NetworkGroups } from '../../../src/routing/network-group.js';
import { id } from '../../support/discovery-bench.js';

const NODES = 8;
const key = (number: number): NodeKey => nodeKey(id(number));

/** What was said last of each node; entities are found by walking over all pairs. */
class Model {
  readonly groups = new Map<number, string | null>();
  readonly payees = new Map<number, string | null>();
  readonly families = new Map<number, readonly number[]>();

  areLinked(a: number, b: number): boolean {
    const shares = (facts: Map<number, string | null>): boolean => {
      const [left, right] = [facts.get(a) ?? null, facts.get(b) ?? null];
      return left !== null && left === right;
    };
    const declares = (from: number, to: number): boolean => this.families.get(from)?.includes(to) === true;
    return shares(this.groups) || shares(this.payees) || (declares(a, b) && declares(b, a));
  }

  entityOf(node: number): number {
    const reached = new Set([node]);
    for (const here of reached) {
      for (let other = 0; other < NODES; other++) if (this.areLinked(here, other)) reached.add(other);
    }
    return Math.min(...reached);
  }
}

const node = fc.nat(NODES - 1);
const fact = fc.constantFrom('a', 'b', 'c', null);
const step = fc.oneof(
  fc.record({ kind: fc.constant('group' as const), node, fact }),
  fc.record({ kind: fc.constant('payee' as const), node, fact }),
  fc.record({ kind: fc.constant('family' as const), node, family: fc.uniqueArray(node, { maxLength: 4 }) }),
);

describe('entities', () => {
  it('are the connected sets of a slow model after any links made and withdrawn', () => {
    let merged = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const entities = new Entities();
        const model = new Model();
        for (const one of steps) {
          if (one.kind === 'group') {
            entities.setGroup(key(one.node), one.fact);
            model.groups.set(one.node, one.fact);
          } else if (one.kind === 'payee') {
            entities.setPayee(key(one.node), one.fact);
            model.payees.set(one.node, one.fact);
          } else {
            entities.declareFamily(key(one.node), one.family.map(key));
            model.families.set(one.node, one.family);
          }
          for (let i = 0; i < NODES; i++) {
            expect(entities.entityOf(key(i))).toBe(key(model.entityOf(i)));
            if (model.entityOf(i) !== i) merged += 1;
          }
        }
      }),
      { numRuns: 200 },
    );
    expect(merged).toBeGreaterThan(100);
  });

  it('need both sides of a family: nobody is drawn in by being named', () => {
    const entities = new Entities();
    entities.declareFamily(key(1), [key(2)]);
    expect(entities.entityOf(key(2))).toBe(key(2));
    entities.declareFamily(key(2), [key(1)]);
    expect(entities.entityOf(key(2))).toBe(key(1));
    entities.declareFamily(key(1), []);
    expect(entities.entityOf(key(2))).toBe(key(2));
  });

  it('change their version when, and only when, an answer may have changed', () => {
    const entities = new Entities();
    entities.setGroup(key(1), 'a');
    const before = entities.version;
    entities.setGroup(key(1), 'a');
    entities.met(key(2));
    expect(entities.version).toBe(before);
    entities.setGroup(key(1), null);
    expect(entities.version).not.toBe(before);
  });

  it('are dominant with more than their share of the nodes that are known, and never with one alone', () => {
    const entities = new Entities();
    for (let i = 0; i < 10; i++) entities.met(key(i));
    expect([...entities.dominant(0.05)]).toEqual([]);
    for (let i = 0; i < 3; i++) entities.setPayee(key(i), 'rival');
    expect([...entities.dominant(0.25)]).toEqual([key(0)]);
    expect([...entities.dominant(0.3)]).toEqual([]);
    // Nodes that leave make it larger among those that stay.
    entities.lost(key(9));
    expect([...entities.dominant(0.3)]).toEqual([key(0)]);
  });
});

describe('network groups', () => {
  const groups = new NetworkGroups();

  it('are IPv4 /16 and IPv6 /32', () => {
    expect(groups.of('8.8.1.2:8334')).toBe(groups.of('8.8.200.3:1'));
    expect(groups.of('8.8.1.2:8334')).not.toBe(groups.of('8.9.1.2:8334'));
    expect(groups.of('[2a01:4f8:1::1]:8334')).toBe(groups.of('[2a01:4f8:ffff::2]:1'));
    expect(groups.of('[2a01:4f8::1]:8334')).not.toBe(groups.of('[2a01:4f9::1]:8334'));
    expect(groups.of('[::ffff:8.8.1.2]:8334')).toBe(groups.of('8.8.3.4:1'));
  });

  it.each([
    '127.0.0.1:1',
    '10.1.2.3:1',
    '192.168.1.1:1',
    '172.20.0.1:1',
    '[::1]:1',
    '[fe80::1]:1',
    '[fd00::1]:1',
  ])('%s, which nobody owns from outside, has none', (address) => {
    expect(groups.of(address)).toBeNull();
  });

  it.each(['node-3', 'mesh.example.org:8334', '', '999.1.1.1:3'])(
    '%s, which is no address, has none',
    (address) => {
      expect(groups.of(address)).toBeNull();
    },
  );

  it('are those of the ASN map where it names a prefix, the longest first', () => {
    const mapped = new NetworkGroups([
      { prefix: '8.0.0.0/8', group: 'AS1' },
      { prefix: '8.8.0.0/16', group: 'AS2' },
      { prefix: '2a01::/16', group: 'AS1' },
    ]);
    expect(mapped.of('8.8.1.1:1')).toBe('AS2');
    expect(mapped.of('8.9.1.1:1')).toBe('AS1');
    expect(mapped.of('[2a01:4f8::1]:1')).toBe('AS1');
    expect(mapped.of('9.9.1.1:1')).toBe(groups.of('9.9.1.1:1'));
  });

  it('knows a prefix from what is none', () => {
    expect(['8.0.0.0/8', '2a01::/32', '1.2.3.4/32', '::/0'].map(isPrefix)).toEqual([true, true, true, true]);
    expect(
      [
        '8.0.0.0',
        '8.0.0.0/33',
        'x/8',
        '1::2::3/8',
        '1:2:3/8',
        '12345::/16',
        '1:2:3:4:5:6:7:8:9/8',
        '8.0.0.0/8/8',
        '8.0.0.0/-1',
      ].some(isPrefix),
    ).toBe(false);
  });
});
