/**
 * The payments of a crash campaign, and what everybody knows of each: who said that it was accepted, how often its
 * packet was delivered. What contradicts the rules is a violation.
 */
import { toHex } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import type { LightningProof } from '../packet/proof.js';
import type { Durable } from './audit.js';

/** One payment, and the packet that it was made for. */
export interface Payment {
  readonly number: number;
  /** The replay key: the payment hash, in hex. */
  readonly key: string;
  readonly proof: LightningProof;
  /** Indices of the nodes on its packet's way. */
  readonly route: readonly number[];
  readonly payload: Uint8Array;
  /** Nodes that answered that they took it, or that it passed to be delivered. */
  readonly acceptedAt: Set<number>;
  deliveries: number;
}

/** Each payload opens with the number of its payment, 8 bytes. */
const NUMBER_BYTES = 8;

export class Payments {
  readonly all: Payment[] = [];
  /** What went against the rules, in words; none where all is well. */
  readonly violations: string[] = [];
  readonly #byKey = new Map<string, Payment>();

  add(proof: LightningProof, route: readonly number[], filling: Uint8Array): Payment {
    const number = this.all.length;
    const payload = new Uint8Array(NUMBER_BYTES + filling.length);
    new DataView(payload.buffer).setBigUint64(0, BigInt(number), true);
    payload.set(filling, NUMBER_BYTES);
    const payment: Payment = {
      number,
      key: toHex(sha256(proof.preimage)),
      proof,
      route,
      payload,
      acceptedAt: new Set(),
      deliveries: 0,
    };
    this.all.push(payment);
    this.#byKey.set(payment.key, payment);
    return payment;
  }

  /** A handler got a packet: every node on its way had accepted it. */
  delivered(at: number, payload: Uint8Array): void {
    const number =
      payload.length < NUMBER_BYTES
        ? -1
        : Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0, true));
    const payment = this.all[number];
    if (payment?.route.at(-1) !== at) {
      this.violations.push(`node ${at} delivered a packet that nobody sent to it`);
      return;
    }
    payment.deliveries += 1;
    if (payment.deliveries > 1) this.#violation(payment, `was delivered ${payment.deliveries} times`);
    // The first node of a way that was offered further down has never seen it.
    for (const node of payment.route.slice(1)) payment.acceptedAt.add(node);
  }

  /**
   * Compares what is durable at a node with what was promised there.
   * @returns payments whose key is used at the node
   */
  check(at: number, { paidMsat, doubled, audit }: Durable): readonly Payment[] {
    for (const key of doubled) this.violations.push(`node ${at}: two postings for the key ${key}`);
    let totalMsat = 0n;
    const used: Payment[] = [];
    for (const [key, msat] of paidMsat) {
      const payment = this.#byKey.get(key);
      totalMsat += msat;
      if (payment === undefined) this.violations.push(`node ${at}: a posting for ${key}, which nobody paid`);
      else if (msat !== payment.proof.amountMsats) this.#violation(payment, `is posted with ${msat} msat`);
      else used.push(payment);
    }
    for (const payment of this.all) {
      if (payment.acceptedAt.has(at) && !paidMsat.has(payment.key)) {
        this.#violation(payment, `was accepted at node ${at} and is not in its journal`);
      }
    }
    const sumMsat = used.reduce((sum, { proof }) => sum + proof.amountMsats, 0n);
    if (!audit.conserved || audit.paidInMsat !== sumMsat || totalMsat !== sumMsat) {
      this.violations.push(
        `node ${at}: the ledger holds ${audit.paidInMsat} msat, its payments are ${sumMsat}`,
      );
    }
    for (const payment of used) payment.acceptedAt.add(at);
    return used;
  }

  /** A payment that was used already was taken again. */
  acceptedAgain(payment: Payment, at: number): void {
    this.#violation(payment, `was accepted again at node ${at}`);
  }

  refusedOtherwise(payment: Payment, at: number, why: string): void {
    this.#violation(payment, `was refused at node ${at}, but not as replayed: ${why}`);
  }

  #violation({ number, key }: Payment, what: string): void {
    this.violations.push(`payment ${number} (${key.slice(0, 16)}…) ${what}`);
  }
}
