// A seeded trace of packets for judges: honest, hostile and broken ones, each with its sender.
import { concatBytes } from '../../src/core/bytes.js';
import type { NodeId } from '../../src/core/ids.js';
import { randomBelow, SeededRandom } from '../../src/core/random.js';
import { encodeBitcoinMessage } from '../../src/packet/bitcoin-wire.js';
import { discoveryPacket, helloPacket } from '../../src/packet/control.js';
import { encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import { STRATUM_MESSAGES } from '../../src/packet/stratum-wire.js';
import type { PacketSender } from '../../src/pool/judge-port.js';
import { ISSUED_AT, makeInvoice, proofOf } from './invoices.js';
import { DESTINATION, PAYEES, paidPacket, ROUTER, SELF, SOURCE, testNode } from './paid-packets.js';
import { stratumSample } from './stratum-samples.js';

export interface TracedPacket {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
}

const fromSource: PacketSender = { previousHop: SOURCE, origin: 'peer', peer: 'source' };

function free(packetType: MeshPacket['packetType'], payload: Uint8Array): MeshPacket {
  return { ...paidPacket(proofOf(makeInvoice({ seed: 1 }))), paymentProof: null, packetType, payload };
}

/** A packet that was paid for with an invoice of the destination. */
export function honestPacket(seed: number): MeshPacket {
  return paidPacket(proofOf(makeInvoice({ seed, payee: PAYEES.destination })), { sequence: BigInt(seed) });
}

/** Dated a second ago. */
function withTtl(packet: MeshPacket, ttl: string): MeshPacket {
  const fields = new Map([['ttl', ttl]]);
  return { ...packet, timestamp: BigInt(ISSUED_AT - 1), metadata: { protocol: 'chat-v1', fields } };
}

/** The kinds of packets, each made from a number. */
function kinds(random: SeededRandom): readonly (readonly [string, (seed: number) => TracedPacket])[] {
  const traced = (what: string, packet: MeshPacket, sender = fromSource, magic = true): TracedPacket => ({
    what,
    bytes: encodePacket(packet, { magic }),
    sender,
  });
  const sent = (what: string, make: (seed: number) => MeshPacket, sender?: PacketSender) =>
    [what, (seed: number) => traced(what, make(seed), sender)] as const;
  const header = { self: SOURCE, sequence: 1n, nowSeconds: ISSUED_AT };
  const unknownPeer: PacketSender = { previousHop: null, origin: 'peer', peer: 'source' };
  const lie = (seed: number, lies: Parameters<typeof proofOf>[1]): MeshPacket =>
    paidPacket(proofOf(makeInvoice({ seed, payee: PAYEES.destination }), lies));
  const invoiceOf =
    (payee: { readonly privateKey: Uint8Array; readonly publicKey: string }) => (seed: number) =>
      paidPacket(proofOf(makeInvoice({ seed, payee })));
  return [
    sent('honest', honestPacket),
    ['oldest generation', (seed) => traced('oldest generation', honestPacket(seed), fromSource, false)],
    sent(
      'honest, from here',
      (seed) => ({ ...honestPacket(seed), source: SELF, route: [SELF, ROUTER, DESTINATION] }),
      {
        previousHop: null,
        origin: 'local',
        peer: '',
      },
    ),
    sent('from a stranger', honestPacket, { previousHop: testNode(77), origin: 'peer', peer: 'source' }),
    sent('before a hello', honestPacket, unknownPeer),
    sent('late', (seed) => withTtl(honestPacket(seed), '0')),
    sent('broken ttl', (seed) => withTtl(honestPacket(seed), 'soon')),
    sent('replayed', (seed) => honestPacket(seed % 5)),
    sent('self-issued', invoiceOf(PAYEES.source)),
    sent('payee of nobody', invoiceOf(PAYEES.stranger)),
    sent('too cheap', (seed) =>
      paidPacket(proofOf(makeInvoice({ seed, payee: PAYEES.self, amountMsat: 1n }))),
    ),
    sent('another amount', (seed) => lie(seed, { amountMsats: 1_000_000n })),
    sent('another preimage', (seed) => lie(seed, { preimage: random.bytes(32) })),
    sent('expired', (seed) =>
      paidPacket(proofOf(makeInvoice({ seed, payee: PAYEES.self, timestamp: ISSUED_AT - 10_000 }))),
    ),
    sent('junk invoice', (seed) => lie(seed, { invoice: 'lnbcrt1' + 'q'.repeat(seed % 8_000) })),
    sent('no proof', () => ({ ...free('Paid', random.bytes(20)) })),
    sent('on chain', () =>
      paidPacket({
        kind: 'OnChainSettlement',
        paymentRequestId: 'request',
        txHash: random.bytes(32),
        amountSats: 100n,
        timestamp: BigInt(ISSUED_AT),
      }),
    ),
    sent('Bitcoin', (seed) =>
      free('BitcoinP2P', encodeBitcoinMessage('regtest', 'tx', random.bytes(seed % 900))),
    ),
    sent('Bitcoin of another network', () =>
      free('BitcoinP2P', encodeBitcoinMessage('mainnet', 'ping', random.bytes(8))),
    ),
    sent('not Bitcoin', () => free('BitcoinP2P', random.bytes(200))),
    sent('Stratum', (seed) => {
      const message = STRATUM_MESSAGES[seed % STRATUM_MESSAGES.length] ?? STRATUM_MESSAGES[0];
      return free('StratumV2', message === undefined ? random.bytes(6) : stratumSample(message, 'full'));
    }),
    sent('not Stratum', () => free('StratumV2', random.bytes(40))),
    sent('governance', () => free('CommonsGovernance', random.bytes(40))),
    sent('hello', () => helloPacket(header, SELF)),
    sent('first hello', () => helloPacket(header, null), unknownPeer),
    sent('discovery', (seed) =>
      discoveryPacket(header, SELF, {
        kind: 'RouteRequest',
        destination: DESTINATION,
        source: SOURCE,
        requestId: BigInt(seed),
        maxHops: 4,
      }),
    ),
    sent('loop', (seed) => ({ ...honestPacket(seed), route: [SOURCE, SELF, SOURCE, DESTINATION] })),
    sent('not for this node', (seed) => ({
      ...honestPacket(seed),
      route: [SOURCE, ROUTER, DESTINATION] as NodeId[],
    })),
    sent('large', (seed) => ({ ...honestPacket(seed), payload: random.bytes(200_000) })),
    [
      'random bytes',
      () => ({ what: 'random bytes', bytes: random.bytes(randomBelow(random, 300)), sender: fromSource }),
    ],
    ['nothing', () => ({ what: 'nothing', bytes: new Uint8Array(0), sender: fromSource })],
    [
      'truncated',
      (seed) => {
        const bytes = encodePacket(honestPacket(seed));
        return {
          what: 'truncated',
          bytes: bytes.subarray(0, randomBelow(random, bytes.length)),
          sender: fromSource,
        };
      },
    ],
    [
      'one bit changed',
      (seed) => {
        const bytes = encodePacket(honestPacket(seed));
        const at = randomBelow(random, bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << randomBelow(random, 8));
        return { what: 'one bit changed', bytes, sender: fromSource };
      },
    ],
    [
      'bytes behind',
      (seed) => ({
        what: 'bytes behind',
        bytes: concatBytes(encodePacket(honestPacket(seed)), new Uint8Array(1)),
        sender: fromSource,
      }),
    ],
  ];
}

/** Every kind at least once, then kinds at random; each honest payment is its own. */
export function judgeTrace(seed: number, length: number): TracedPacket[] {
  const random = new SeededRandom(seed);
  const all = kinds(random);
  return Array.from({ length }, (_, index) => {
    const kind = all[index < all.length ? index : randomBelow(random, all.length)];
    return (kind ?? ['', () => ({ what: '', bytes: new Uint8Array(0), sender: fromSource })])[1](
      1_000 * seed + index,
    );
  });
}
