/** Without whom a source asks, where all that it knows loses packets: what brought no answer tells who cannot be done without. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey, type NodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Elimination, type Shunning } from '../../../src/routing/elimination.js';
import { id } from '../../support/discovery-bench.js';

const DESTINATION = id(99);
const key = (number: number): NodeKey => nodeKey(id(number));

/**
 * A source that knows of routes, each with a node at fault among a few. Likeliest is whoever comes first in each of them, and
 * of several whoever comes last is believed first.
 */
class Source {
  readonly clock = new VirtualClock();
  readonly elimination: Elimination;
  readonly #ways: readonly (readonly NodeKey[])[];

  constructor(ways: readonly (readonly number[])[], seed = 1) {
    this.#ways = ways.map((way) => way.map(key));
    this.elimination = new Elimination({
      clock: this.clock,
      random: new SeededRandom(seed),
      suspects: {
        culprits: (_, believed) => [
          ...new Set(this.#ways.flatMap((way) => way.find((node) => !believed.has(node)) ?? [])),
        ],
        mostBelievable: (_, nodes) => this.#least(nodes),
      },
    });
  }

  begin(): void {
    this.elimination.begin(DESTINATION);
  }

  next(): readonly Shunning[] {
    return this.elimination.next(DESTINATION);
  }

  #least(nodes: readonly NodeKey[]): NodeKey {
    const ranks = this.#ways.flat();
    const [least] = [...nodes].sort((a, b) => ranks.lastIndexOf(b) - ranks.lastIndexOf(a));
    return present(least, 'there is one to believe');
  }
}

function asked(shunnings: readonly Shunning[]): string[] {
  return shunnings.map(({ nodes }) => [...nodes].sort().join(' '));
}

const set = (...numbers: number[]): string => numbers.map(key).sort().join(' ');

describe('elimination', () => {
  it('leaves out the likeliest, and where that brings nothing believes one of them', () => {
    const source = new Source([
      [1, 10],
      [2, 20, 21],
    ]);
    source.begin();
    const [first, drawn] = source.next();
    expect(asked([first].flatMap((one) => one ?? []))).toEqual([set(1, 2)]);
    // The other one believes somebody by chance.
    expect(drawn?.nodes).not.toEqual(first?.nodes);
    // Of 1 and 2 it takes less to believe 2.
    expect(asked(source.next())[0]).toBe(set(1, 20));
  });

  it('remembers what brought no answer in the next search, as long as a link may be down', () => {
    const source = new Source([[1, 10, 11, 12, 13, 14, 15, 16, 17, 18]]);
    source.begin();
    const before = asked([...source.next(), ...source.next()]);
    source.clock.advance(LIMITS.ELIMINATION_MILLIS - 1);
    source.begin();
    const after = asked(source.next());
    for (const one of after) expect(before).not.toContain(one);
    source.clock.advance(LIMITS.ELIMINATION_MILLIS);
    source.begin();
    expect(asked(source.next())[0]).toBe(before[0]);
  });

  it('asks once more in the next search for what was answered', () => {
    const source = new Source([[1, 10]]);
    source.begin();
    for (const one of source.next()) one.isAnswered = true;
    expect(asked(source.next())).not.toContain(set(1));
    source.begin();
    expect(asked(source.next())[0]).toBe(set(1));
  });

  it('has nothing to ask where nobody is suspect', () => {
    const source = new Source([]);
    source.begin();
    expect(source.next()).toEqual([]);
  });

  it('never leaves out all of those without whom there was no answer, nor the same twice in one search', () => {
    const way = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(way, { minLength: 1, maxLength: 5 }),
        fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (ways, answers, seed) => {
          const source = new Source(ways, seed);
          const inVain: Shunning[] = [];
          for (let search = 0; search < 2; search++) {
            source.begin();
            const before: string[] = [];
            for (let turn = 0; turn < 4; turn++) {
              const added = source.next();
              for (const [index, shunning] of added.entries()) {
                const nodes = new Set(shunning.nodes);
                for (const vain of [...inVain, ...added.slice(0, index)]) {
                  expect(vain.nodes.every((node) => nodes.has(node))).toBe(false);
                }
                const [name] = asked([shunning]);
                expect(before).not.toContain(name);
                before.push(name ?? '');
              }
              for (const shunning of added) {
                shunning.isAnswered = answers[(8 * search + 2 * turn) % answers.length] === true;
                if (!shunning.isAnswered) inVain.push(shunning);
              }
            }
          }
        },
      ),
    );
  });
});
