// Postings of accepted payments, written from their packets: the bytes that the plain way gives.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../../src/core/bincode.js';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { splitFee } from '../../../src/ledger/fee.js';
import { paymentPosting, type Due } from '../../../src/ledger/posting.js';
import { encodePosting } from '../../../src/ledger/posting-bytes.js';
import { POSTING_BYTES_MAX, PostingSlab, type PaidPacket } from '../../../src/ledger/posting-slab.js';
import { PacketHead } from '../../../src/packet/head.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { testPacket } from '../../support/packets.js';

const id = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyMsat = fc.oneof(fc.bigInt(0n, 100n), fc.bigInt(0n, U64_MAX));
const anyDue = fc.option(
  fc.record<Due>({ payee: fc.uint8Array({ minLength: 33, maxLength: 33 }), amountMsat: anyMsat }),
);

/** Whole packets, with and without MESH, at any place in memory. */
const anyPaid = fc
  .record({
    key: id,
    postedAt: fc.oneof(fc.nat(), fc.integer({ min: 2 ** 32, max: Number.MAX_SAFE_INTEGER })),
    route: fc.array(id.map(nodeIdOf), { minLength: 2, maxLength: 11 }),
    totalMsat: anyMsat,
    due: anyDue,
    magic: fc.boolean(),
    lead: fc.nat({ max: 9 }),
  })
  .map(({ key, postedAt, route, totalMsat, due, magic, lead }) => {
    const [source, destination] = [route[0], route.at(-1)] as [NodeId, NodeId];
    const packet = encodePacket(testPacket({ route, source, destination }), { magic });
    const memory = new Uint8Array(lead + packet.length);
    memory.set(packet, lead);
    const head = new PacketHead(memory.subarray(lead));
    const distribution = splitFee(
      totalMsat,
      route.slice(2).map((_, index) => BigInt(index)),
    );
    return { route, paid: { key, postedAt, head, distribution, due } };
  });

/** The plain way to the same bytes. */
function plainly({ key, postedAt, distribution, due }: PaidPacket, route: readonly NodeId[]): Uint8Array {
  const destination = route.at(-1) as NodeId;
  const routers = route.slice(1, -1);
  return encodePosting(
    paymentPosting({ key, postedAt: BigInt(postedAt), destination, routers, distribution, due }),
  );
}

describe('posting slab', () => {
  it('writes the bytes of the plain posting, for any route, amount and debt', () => {
    const slab = new PostingSlab();
    fc.assert(
      fc.property(anyPaid, ({ paid, route }) => {
        expect(slab.write(paid)).toEqual(plainly(paid, route));
      }),
    );
  });

  it('leaves what it has given out as it was, over many slabs', () => {
    const slab = new PostingSlab();
    const all = fc.sample(anyPaid, { numRuns: 1_000, seed: 1 });
    const given = all.map(({ paid }) => slab.write(paid));
    given.forEach((bytes, index) => {
      const one = all[index];
      if (one !== undefined) expect(bytes).toEqual(plainly(one.paid, one.route));
    });
  });

  it('writes no more than the bound says, which a payment of eleven ids with a debt reaches', () => {
    const route = Array.from({ length: 11 }, (_, index) => nodeIdOf(new Uint8Array(32).fill(index)));
    const [source, destination] = [route[0], route.at(-1)] as [NodeId, NodeId];
    const head = new PacketHead(encodePacket(testPacket({ route, source, destination })));
    const distribution = splitFee(
      1_000n,
      Array.from({ length: 9 }, () => 1n),
    );
    const due = { payee: new Uint8Array(33), amountMsat: 1n };
    const key = new Uint8Array(32);
    expect(new PostingSlab().write({ key, postedAt: 1, head, distribution, due }).length).toBe(
      POSTING_BYTES_MAX,
    );
  });
});

describe('packet head', () => {
  it('reads the route, its ends and the sequence where they lie', () => {
    fc.assert(
      fc.property(anyPaid, ({ paid: { head }, route }) => {
        expect(head.ids).toBe(route.length);
        expect(head.route()).toEqual(route);
        expect(head.routers()).toEqual(route.slice(1, -1));
        expect(head.destination).toEqual(route.at(-1));
        expect(BigInt(head.sequence)).toBe(testPacket({}).sequence);
      }),
    );
  });
});
