// Whom a node advertises to, and when (routing.md, Discovery); what is in the lists is in hints and discovery tests.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, nodeKey, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import type { RouteAdvertisement } from '../../../src/packet/discovery.js';
import { Advertiser } from '../../../src/routing/advertiser.js';
import { RoutingTable } from '../../../src/routing/table.js';

const PEERS = 200;

interface Sent {
  readonly peer: string;
  readonly message: RouteAdvertisement;
  readonly atMillis: number;
}

/** A node with so many neighbours, about which nobody was told yet. */
function advertising(): {
  readonly advertiser: Advertiser;
  readonly clock: VirtualClock;
  readonly sent: Sent[];
  readonly peers: readonly NodeId[];
} {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const self = nodeIdOf(random.bytes(32));
  const fees = { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 0n };
  const table = new RoutingTable({ self, clock, random, fees });
  const sent: Sent[] = [];
  const advertiser = new Advertiser({
    self,
    table,
    clock,
    random,
    hopCostSats: 1n,
    near: () => [],
    send: (peer, message) => {
      sent.push({ peer: nodeKey(peer), message, atMillis: clock.monotonicMillis() });
    },
    onAnnounced: () => undefined,
  });
  const peers = Array.from({ length: PEERS }, () => nodeIdOf(random.bytes(32)));
  for (const [index, peer] of peers.entries()) table.addDirectPeer(peer, `peer-${index}`);
  return { advertiser, clock, sent, peers };
}

describe('advertiser › very many neighbours', () => {
  it('are told some at a time, each once, before the next change may be told', () => {
    const { advertiser, clock, sent, peers } = advertising();
    for (const peer of peers) advertiser.joined(peer);
    for (let millis = 0; millis < LIMITS.ADVERTISE_CHANGE_MILLIS; millis++) clock.advance(1);
    const first = sent[0];
    expect(first).toBeDefined();
    const atOnce = sent.filter(({ atMillis }) => atMillis === first?.atMillis).length;
    expect(atOnce).toBeLessThan(PEERS);
    for (let millis = 0; millis < LIMITS.ADVERTISE_CHANGE_MILLIS - 1; millis++) clock.advance(1);
    expect(new Set(sent.map(({ peer }) => peer)).size).toBe(PEERS);
    expect(sent).toHaveLength(PEERS);
    for (const { peer, message } of sent) {
      expect(message.routes.map(({ destination }) => nodeKey(destination))).not.toContain(peer);
      expect(message.routes).not.toHaveLength(0);
    }
  });

  it('hear no more once it is closed', () => {
    const { advertiser, clock, sent, peers } = advertising();
    for (const peer of peers) advertiser.joined(peer);
    while (sent.length === 0) clock.advance(1);
    const told = sent.length;
    advertiser.close();
    clock.advance(10_000);
    expect(sent).toHaveLength(told);
  });
});
