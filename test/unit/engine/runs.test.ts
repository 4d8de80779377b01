// Free packets that follow each other are looked at less: whatever comes, what becomes of them is the same as where each is
// looked at by itself. Rules: judge-port.ts (follows); payments.md, any proof, 6, and Free traffic; routing.md (repair).
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { reasonName } from '../../../src/core/reasons.js';
import type { PacketOutcome } from '../../../src/engine/packet-outcome.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { EngineNet } from '../../support/engine-net.js';

/** 1 is the node that is looked at; 4 is behind 2 and 3, so that there is another way where one is lost. */
const LINKS: readonly (readonly [number, number])[] = [
  [0, 1],
  [1, 2],
  [1, 3],
  [2, 4],
  [3, 4],
  [5, 1],
];
const ROUTES: readonly (readonly number[])[] = [
  [0, 1],
  [0, 1, 2],
  [0, 1, 2, 4],
  [0, 1, 3, 4],
  [5, 0, 1, 2],
  [5, 1, 2],
];

const nets: EngineNet[] = [];

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

/** One packet of a turn, or what happens between two. */
type Step =
  | { readonly what: 'packet'; readonly route: number; readonly number: number; readonly kind: number }
  | { readonly what: 'wait'; readonly millis: number }
  | { readonly what: 'lose'; readonly hop: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 30,
      arbitrary: fc.record({
        what: fc.constant('packet' as const),
        route: fc.nat(ROUTES.length - 1),
        number: fc.nat(40),
        kind: fc.nat(9),
      }),
    },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('wait' as const), millis: fc.nat(3_000) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('lose' as const), hop: fc.constantFrom(2, 3) }) },
  ),
  { minLength: 20, maxLength: 80 },
);

function packetOf(
  net: EngineNet,
  step: Extract<Step, { what: 'packet' }>,
  route: readonly number[],
): MeshPacket {
  // The same number twice with the same body is the same packet; one in ten is broken, and one in ten large.
  const body = new Uint8Array(step.kind === 1 ? 20_000 : 80).fill(step.number);
  const payload = encodeBitcoinMessage('regtest', 'tx', body);
  return net.packet(route, {
    packetType: 'BitcoinP2P',
    paymentProof: null,
    payload: step.kind === 0 ? payload.subarray(1) : payload,
    metadata: null,
    sequence: BigInt(step.number),
    timestamp: 0n,
  });
}

/** What becomes of all packets, and what the node in the middle has counted and sent at the end. */
async function play(schedule: readonly Step[], hints: boolean): Promise<object> {
  const quotas = { packetsPerMinute: 6_000, freePacketsPerMinute: 600, freeBytesPerMinute: 3_000_000 };
  const net = await EngineNet.start({ nodes: 6, links: LINKS, seed: 5, hints, ...quotas });
  nets.push(net);
  const outcomes: string[] = [];
  const waiting: Promise<void>[] = [];
  // In runs, as they come: routes of one packet after another are the same more often than not.
  let route = 0;
  for (const step of schedule) {
    if (step.what === 'packet') {
      if (step.kind > 6) route = step.route;
      const ids = present(ROUTES[route], 'a route');
      const from = present(ids[ids.indexOf(1) - 1], 'a hop before');
      const index = outcomes.push('none') - 1;
      const toldOf = (outcome: PacketOutcome): void => {
        outcomes[index] = outcome.kind === 'refused' ? reasonName(outcome.reason) : outcome.kind;
      };
      const bytes = encodePacket(packetOf(net, step, ids));
      waiting.push(net.node(1).handle(bytes, net.addressOf(from)).then(toldOf));
    } else {
      await Promise.all(waiting.splice(0));
      if (step.what === 'wait') await net.run(step.millis);
      else net.cut(1, step.hop);
    }
  }
  await Promise.all(waiting);
  const { counters, replay, manager } = net.node(1);
  // What was passed on is kept for a while since it came.
  const kept: unknown[] = [];
  for (let time = 0; time < 40; time++) {
    await net.run(500);
    kept.push(manager.stats());
  }
  const { refused, counts, arrived, passedBytes } = counters.snapshot();
  return {
    outcomes,
    ...{ refused, counts, arrived, passedBytes },
    windows: replay.stats(),
    kept,
    sent: net.hops
      .filter(({ from }) => from === 1)
      .map(({ to, bytes }) => `${to}: ${Buffer.from(bytes).toString('hex')}`),
  };
}

describe('runs of free packets', () => {
  it('come to the same as packets by themselves', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (schedule) => {
        expect(await play(schedule, true)).toEqual(await play(schedule, false));
      }),
      { numRuns: 20 },
    );
  }, 60_000);
});
