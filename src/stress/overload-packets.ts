/**
 * The packets of an overload campaign: honest ones, each with a payment of its own, and junk.
 *
 * Rules: payments.md (cheats). Four of five junk packets bring an invoice that is signed well, for somebody who does
 * not count here: nothing cheaper than the signature tells them from honest ones.
 */
import { toHex } from '../core/bytes.js';
import { present } from '../core/assert.js';
import { sha256 } from '../core/hash.js';
import { nodeIdOf, type NodeId } from '../core/ids.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Random } from '../core/ports.js';
import { payeeOf, signInvoice } from '../dev/bolt11.js';
import { InvoiceMint } from '../dev/mint.js';
import { encodePacket, PACKET_VERSION, type MeshPacket } from '../packet/packet.js';
import type { PacketSender } from '../pool/judge-port.js';
import { ordinaryPolicy } from './ordinary-policy.js';

const AMOUNT_MSAT = 10_000n;
const EXPIRY_SECONDS = 86_400;
const PAYLOAD_BYTES = 200;
const LARGE_PAYLOAD_BYTES = 20_000;
/** Different junk packets; they come again and again. */
const JUNK_PACKETS = 100;

export class OverloadPackets {
  readonly self: NodeId;
  /** The Lightning key that the paid ones are paid to, 33 bytes. */
  readonly payee: Uint8Array;
  readonly policy: JudgePolicy;
  readonly #random: Random;
  readonly #nowSeconds: number;
  readonly #source: NodeId;
  readonly #route: readonly NodeId[];
  readonly #payload: Uint8Array;
  readonly #mint: InvoiceMint;
  readonly #signed: Uint8Array;
  readonly #junk: readonly Uint8Array[];
  readonly #senders = new Map<string, PacketSender>();
  #sequence = 0n;

  /** @param route of all of them; left out, from a stranger to a node that nobody has */
  constructor(
    random: Random,
    nowSeconds: number,
    route: readonly NodeId[] = [nodeIdOf(random.bytes(32)), nodeIdOf(random.bytes(32))],
  ) {
    this.#random = random;
    this.#nowSeconds = nowSeconds;
    this.#route = route;
    this.#source = present(route[0], 'a route has a source');
    this.self = present(route[route.length - 1], 'a route has an end');
    this.#payload = random.bytes(PAYLOAD_BYTES);
    const key = random.bytes(32);
    this.#mint = new InvoiceMint(this.#pattern(key), key);
    const stranger = random.bytes(32);
    const strangerMint = new InvoiceMint(this.#pattern(stranger), stranger);
    this.#signed = this.#packet(strangerMint);
    this.payee = payeeOf(key);
    this.policy = ordinaryPolicy(this.self, { ownPayee: toHex(this.payee) });
    this.#junk = Array.from({ length: JUNK_PACKETS }, (_, index) => this.#makeJunk(index, strangerMint));
  }

  senderOf(peer: string): PacketSender {
    const known = this.#senders.get(peer);
    if (known !== undefined) return known;
    const sender: PacketSender = { previousHop: this.#source, origin: 'peer', peer };
    this.#senders.set(peer, sender);
    return sender;
  }

  /** A packet with a payment that no other has. About 30 us. */
  paid(payload: Uint8Array = this.#payload): Uint8Array {
    return this.#packet(this.#mint, payload);
  }

  /** Costs a signature and is refused. */
  signed(): Uint8Array {
    return this.#signed;
  }

  junk(number: number): Uint8Array {
    return present(this.#junk[number % JUNK_PACKETS], 'a kind of junk');
  }

  #makeJunk(index: number, stranger: InvoiceMint): Uint8Array {
    switch (index % 10) {
      case 0:
        return this.#random.bytes(PAYLOAD_BYTES);
      case 1:
        return encodePacket({
          ...this.#unpaid(),
          packetType: 'BitcoinP2P',
          payload: this.#random.bytes(LARGE_PAYLOAD_BYTES),
        });
      default:
        return this.#packet(stranger);
    }
  }

  #packet(mint: InvoiceMint, payload: Uint8Array = this.#payload): Uint8Array {
    const preimage = this.#random.bytes(32);
    return encodePacket({
      ...this.#unpaid(),
      payload,
      paymentProof: {
        kind: 'Lightning',
        invoice: mint.mint(sha256(preimage)),
        preimage,
        amountMsats: AMOUNT_MSAT,
        timestamp: BigInt(this.#nowSeconds),
        expiresAt: BigInt(this.#nowSeconds + EXPIRY_SECONDS),
      },
    });
  }

  #unpaid(): MeshPacket {
    return {
      version: PACKET_VERSION,
      packetType: 'Paid',
      source: this.#source,
      destination: this.self,
      route: this.#route,
      sequence: ++this.#sequence,
      timestamp: BigInt(this.#nowSeconds),
      paymentProof: null,
      payload: this.#payload,
      metadata: null,
    };
  }

  #pattern(key: Uint8Array): string {
    return signInvoice(
      {
        network: 'regtest',
        amountMsat: AMOUNT_MSAT,
        timestamp: this.#nowSeconds,
        expirySeconds: EXPIRY_SECONDS,
        paymentHash: this.#random.bytes(32),
        paymentSecret: this.#random.bytes(32),
        description: 'overload',
      },
      key,
    );
  }
}
