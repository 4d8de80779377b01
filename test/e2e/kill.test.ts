import { describe, expect, it } from 'vitest';
import { present } from '../../src/core/assert.js';
import { Demo } from '../../src/demo/demo.js';

const NODES = 5;
/** The node with the chords: most routes of more than one hop pass it. */
const HUB = 0;

describe('demo › kill -9 of a module', () => {
  it('leaves the others delivering over other routes, and loses nothing that was accepted', async () => {
    const silent = { log: () => undefined };
    const demo = await Demo.start({
      packets: 1,
      seed: 7,
      nodes: NODES,
      log: silent,
      onProgress: () => undefined,
    });
    try {
      const { traffic, network } = demo;
      const pairs = allPairs(NODES);
      for (const { from, to } of pairs) expect(await traffic.send(from, to)).toBe(true);

      present(network.nodes[HUB], 'the hub is a node').module.process.kill('SIGKILL');
      const others = pairs.filter(({ from, to }) => from !== HUB && to !== HUB);
      // Some of these are handed to the dead module before anyone can know: they go another way afterwards.
      const outcomes = await Promise.all(others.map(({ from, to }) => traffic.send(from, to)));
      expect(outcomes.every(Boolean)).toBe(true);

      // Once its silence is noticed nothing passes the dead node any more.
      const before = traffic.delivered.length;
      const again = await Promise.all(others.map(({ from, to }) => traffic.send(from, to)));
      expect(again.every(Boolean)).toBe(true);
      const lastHops = traffic.delivered.slice(before).map(({ from }) => from);
      expect(lastHops).toHaveLength(others.length);
      expect(lastHops).not.toContain(HUB);
      expect(traffic.unexpected).toBe(0);
    } finally {
      await demo.close();
    }
  }, 120_000);
});

function allPairs(nodes: number): readonly { readonly from: number; readonly to: number }[] {
  const indices = Array.from({ length: nodes }, (_, index) => index);
  return indices.flatMap((from) => indices.filter((to) => to !== from).map((to) => ({ from, to })));
}
