// Events published on the node: a small rate of each, the rest dropped and counted, failures swallowed.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { EventPublisher, type Publish } from '../../../src/engine/publisher.js';
import { Counters } from '../../../src/metrics/counters.js';
import type { EventPayload } from '../../../src/node/messages.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { refusedVerdict } from '../../../src/pool/judge.js';
import { testLog } from '../../support/log.js';
import { testNode } from '../../support/paid-packets.js';
import { testPacket } from '../../support/packets.js';

const RATE = LIMITS.EVENTS_PUBLISHED_PER_SECOND;
const failed: EventPayload = {
  name: 'RouteFailed',
  value: { destination: testNode(1), reason: 'NextHopLost' },
};
const discovered: EventPayload = {
  name: 'RouteDiscovered',
  value: { destination: testNode(1), route_path: [], route_cost: 0n },
};

function publisherOf(publish: Publish = () => Promise.resolve()): {
  publisher: EventPublisher;
  published: EventPayload[];
  clock: VirtualClock;
  counters: Counters;
  log: ReturnType<typeof testLog>;
} {
  const published: EventPayload[] = [];
  const clock = new VirtualClock();
  const counters = new Counters();
  const log = testLog();
  const note: Publish = (event) => {
    published.push(event);
    return publish(event);
  };
  return { publisher: new EventPublisher(note, clock, log, counters), published, clock, counters, log };
}

describe('publisher', () => {
  it('publishes what it is given, as it is', () => {
    const { publisher, published } = publisherOf();
    publisher.publish(failed);
    publisher.publish(discovered);
    expect(published).toEqual([failed, discovered]);
  });

  it('tells of routes and of accepted payments in the words of the node', () => {
    const { publisher, published } = publisherOf();
    publisher.routeFailed(testNode(1), Reason.NextHopLost);
    publisher.routeDiscovered({ ids: [testNode(2), testNode(1)], cost: 3n, learnedAtMillis: 0 });
    const replayKey = new Uint8Array(32).fill(9);
    const proof = { kind: 'Lightning', invoice: 'lnbcrt1', preimage: replayKey } as const;
    const paymentProof = { ...proof, amountMsats: 5n, timestamp: 0n, expiresAt: 0n };
    publisher.paymentVerified(encodePacket(testPacket({ paymentProof })), {
      ...refusedVerdict(Reason.Accepted),
      replayKey,
      amountMsat: 5n,
    });
    const route_path = [testNode(2), testNode(1)].map((id) => Buffer.from(id).toString('hex'));
    const payment_id = '09'.repeat(32);
    expect(published).toEqual([
      failed,
      { name: 'RouteDiscovered', value: { destination: testNode(1), route_path, route_cost: 3n } },
      { name: 'PaymentVerified', value: { payment_id, amount_msats: 5n, invoice: 'lnbcrt1' } },
    ]);
  });

  it('drops and counts what is more than the rate, and goes on when time has passed', () => {
    const { publisher, published, clock, counters } = publisherOf();
    for (let n = 0; n < 100; n++) publisher.publish(failed);
    expect(published).toHaveLength(2 * RATE);
    expect(counters.countOf('events_not_published')).toBe(100 - 2 * RATE);
    clock.advance(1_000);
    for (let n = 0; n < 100; n++) publisher.publish(failed);
    expect(published).toHaveLength(3 * RATE);
  });

  it('a flood of one event leaves room for another', () => {
    const { publisher, published } = publisherOf();
    for (let n = 0; n < 100; n++) publisher.publish(failed);
    publisher.publish(discovered);
    expect(published.at(-1)).toBe(discovered);
  });

  it('outlives a node that does not take them', async () => {
    const { publisher, published, log } = publisherOf(() => Promise.reject(new Error('no')));
    publisher.publish(failed);
    await Promise.resolve();
    await Promise.resolve();
    publisher.publish(failed);
    expect(published).toHaveLength(2);
    expect(log.lines[0]).toEqual({ level: 'debug', message: 'an event could not be published' });
  });
});
