/**
 * A seeded trace of packets: honest, hostile and broken ones mixed, in windows in which no payment stands twice.
 *
 * Rules: payments.md (cheats), wire.md. Two judges that work in different orders must agree on every packet, so within
 * a window none may depend on another: one payment, one packet, mutations of it included. Between windows payments
 * come back: as they were, with something changed, with lies. Signing costs more than anything else here, so only one
 * packet in FRESH_ONE_IN has an invoice of its own; the others use one of the last payments again.
 */
import { present } from '../core/assert.js';
import { concatBytes, equalBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import type { Random } from '../core/ports.js';
import { randomBelow, randomU64, SeededRandom } from '../core/random.js';
import { freeTrafficSamples, packetSamples } from '../api/fuzz/samples.js';
import { mutated } from '../api/fuzz/mutate.js';
import { encodePacket, PACKET_VERSION, type MeshPacket } from '../packet/packet.js';
import type { PacketSender } from '../pool/judge-port.js';
import { FREE_KINDS, LIES, STRUCTURES } from './trace-kinds.js';
import { PAYEE_NAMES, World, type MadePayment } from './world.js';

/** What a packet was made as. */
export const TRACE_GROUPS = ['fresh', 'replayed', 'altered', 'lying', 'free', 'structure', 'broken'] as const;

export type TraceGroup = (typeof TRACE_GROUPS)[number];

export interface TracePacket {
  readonly group: TraceGroup;
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
}

export interface TraceWindow {
  readonly packets: readonly TracePacket[];
  /** Issued by the node itself, and told to it before this window. */
  readonly issued: readonly MadePayment[];
  /** Unix seconds of all its verdicts. */
  readonly nowSeconds: number;
}

/** One packet in so many has an invoice that was signed for it. */
export const FRESH_ONE_IN = 32;

/** Packets of a window: a few batches for each worker. */
const WINDOW_PACKETS = 512;

/** Payments that come back. */
const KEPT_PAYMENTS = 4_096;

const START_SECONDS = 1_800_000_000;

/** How often a kind is drawn, beside fresh payments: parts of 100. */
const SHARES: readonly (readonly [group: TraceGroup, percent: number])[] = [
  ['replayed', 10],
  ['altered', 12],
  ['lying', 14],
  ['free', 22],
  ['structure', 8],
  ['broken', 34],
];

/** A payment and the packet that it was first used for. */
interface Used {
  readonly payment: MadePayment;
  readonly packet: MeshPacket;
}

export class Trace {
  readonly world: World;
  readonly #random: Random;
  readonly #used: Used[] = [];
  /** Payments that have a packet in this window, by number. */
  readonly #busy = new Set<number>();
  #nowSeconds = START_SECONDS;
  #made = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.world = new World(this.#random);
  }

  /** The next packets, at most so many. */
  window(most: number): TraceWindow {
    this.#busy.clear();
    this.#nowSeconds += randomBelow(this.#random, 3);
    const issued: MadePayment[] = [];
    const packets: TracePacket[] = [];
    while (packets.length < Math.min(most, WINDOW_PACKETS)) packets.push(this.#next(issued));
    return { packets, issued, nowSeconds: this.#nowSeconds };
  }

  #next(issued: MadePayment[]): TracePacket {
    const isFresh = this.#made++ % FRESH_ONE_IN === 0;
    const group = isFresh ? 'fresh' : this.#drawGroup();
    return { group, ...this.#packet(group, issued) };
  }

  #drawGroup(): TraceGroup {
    let left = randomBelow(this.#random, 100);
    for (const [group, percent] of SHARES) {
      if (left < percent) return group;
      left -= percent;
    }
    return 'broken';
  }

  #packet(group: TraceGroup, issued: MadePayment[]): Omit<TracePacket, 'group'> {
    const random = this.#random;
    const context = { random, world: this.world, nowSeconds: this.#nowSeconds };
    if (group === 'fresh') return this.#sent(this.#fresh(issued).packet);
    if (group === 'free') {
      const { packet, isFirst } = this.#pick(FREE_KINDS)(context);
      const sender = isFirst === true ? this.#sender(null) : this.#sender();
      return { bytes: encodePacket(packet), sender };
    }
    const { packet, payment } = this.#again(issued);
    switch (group) {
      case 'replayed':
        return this.#sent(packet);
      case 'altered':
        return this.#sent(this.#altered(packet));
      case 'lying':
        return this.#sent({ ...packet, paymentProof: this.#pick(LIES)(payment.proof, context) });
      case 'structure':
        return this.#sent(this.#pick(STRUCTURES)(packet, context));
      case 'broken':
        return { bytes: this.#broken(encodePacket(packet)), sender: this.#sender() };
    }
  }

  /** A packet that its source paid for: most of it honest money, some of it for a payee who does not count here. */
  #fresh(issued: MadePayment[]): Used {
    const { source, self, router, destination } = this.world;
    const random = this.#random;
    const route = random.unit() < 0.7 ? [source, self, router, destination] : [source, router, self];
    const payee = random.unit() < 0.7 ? 'self' : this.#pick(PAYEE_NAMES);
    const payment = this.world.pay(payee, this.#nowSeconds, {
      ...(random.unit() < 0.1 ? { amountMsat: null } : {}),
      ...(random.unit() < 0.1 ? { boundTo: route } : {}),
      ...(random.unit() < 0.1 ? { ageSeconds: 7_200 } : {}),
      ...(random.unit() < 0.2 ? { expirySeconds: 60 } : {}),
      ...(random.unit() < 0.05 ? { network: 'mainnet' } : {}),
    });
    const packet: MeshPacket = {
      version: PACKET_VERSION,
      packetType: 'Paid',
      source,
      destination: present(route.at(-1), 'a route has an end'),
      route,
      sequence: randomU64(random),
      timestamp: BigInt(this.#nowSeconds),
      paymentProof: payment.proof,
      payload: random.bytes(randomBelow(random, randomBelow(random, 50) === 0 ? 20_000 : 600)),
      metadata: random.unit() < 0.5 ? null : { protocol: 'trace-v1', fields: new Map() },
    };
    const used = { payment, packet };
    if (payee === 'self' && random.unit() < 0.5) {
      const settledMsat = random.unit() < 0.5 ? payment.proof.amountMsats : null;
      issued.push({ ...payment, issued: { ...payment.issued, settledMsat } });
    }
    this.#busy.add(payment.number);
    if (this.#used.length < KEPT_PAYMENTS) this.#used.push(used);
    else this.#used[randomBelow(random, KEPT_PAYMENTS)] = used;
    return used;
  }

  /** A payment that has no packet in this window yet. */
  #again(issued: MadePayment[]): Used {
    for (let attempts = 0; attempts < 8; attempts++) {
      const used = this.#used[randomBelow(this.#random, this.#used.length)];
      if (used === undefined || this.#busy.has(used.payment.number)) continue;
      this.#busy.add(used.payment.number);
      return used;
    }
    return this.#fresh(issued);
  }

  /** The same payment for something else: all that a cheat may change without lying about the payment. */
  #altered(packet: MeshPacket): MeshPacket {
    const random = this.#random;
    const { source, self, destination } = this.world;
    const { paymentProof } = packet;
    const later = (seconds: bigint): MeshPacket['paymentProof'] =>
      paymentProof === null ? null : { ...paymentProof, timestamp: paymentProof.timestamp + seconds };
    const changes: readonly (() => Partial<MeshPacket>)[] = [
      () => ({ sequence: packet.sequence + 1n }),
      () => ({ sequence: randomU64(random) }),
      () => ({ timestamp: packet.timestamp + 1n }),
      () => ({ payload: random.bytes(randomBelow(random, 300)) }),
      () => ({ metadata: { protocol: 'other', fields: new Map([['key', 'value']]) } }),
      () => ({ route: [source, self, destination], destination }),
      () => ({ paymentProof: later(1n) }),
      () => ({ paymentProof: later(-1n) }),
      () =>
        paymentProof?.kind === 'Lightning'
          ? { paymentProof: { ...paymentProof, invoice: paymentProof.invoice.toUpperCase() } }
          : {},
    ];
    return { ...packet, ...this.#pick(changes)() };
  }

  /** One payment at most is in it: what is spliced in holds none that is valid here. */
  #broken(bytes: Uint8Array): Uint8Array {
    const random = this.#random;
    const samples = [bytes, bytes, this.#pick(packetSamples), this.#pick(freeTrafficSamples)];
    switch (randomBelow(random, 8)) {
      case 0:
        return bytes.slice(0, randomBelow(random, bytes.length));
      case 1:
        return concatBytes(bytes, random.bytes(1 + randomBelow(random, 8)));
      case 2:
        return random.bytes(randomBelow(random, 400));
      default:
        return mutated(samples, random);
    }
  }

  /** As one of the generations writes it. */
  #sent(packet: MeshPacket): Omit<TracePacket, 'group'> {
    const magic = this.#random.unit() < 0.9;
    const { self, source } = this.world;
    const at = packet.route.findIndex((id) => equalBytes(id, self));
    return { bytes: encodePacket(packet, { magic }), sender: this.#sender(packet.route[at - 1] ?? source) };
  }

  /** Mostly the neighbour that is expected. */
  #sender(previousHop: NodeId | null = this.world.source): PacketSender {
    const peer = `10.0.0.${randomBelow(this.#random, 8)}:8333`;
    const draw = this.#random.unit();
    if (draw < 0.92) return { previousHop, origin: 'peer', peer };
    if (draw < 0.95) return { previousHop: this.world.stranger, origin: 'peer', peer };
    if (draw < 0.98) return { previousHop: null, origin: 'peer', peer };
    return { previousHop: null, origin: 'local', peer: '' };
  }

  #pick<T>(list: readonly T[]): T {
    return present(list[randomBelow(this.#random, list.length)], 'a pick is from a list without holes');
  }
}
