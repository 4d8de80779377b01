/**
 * The world of a seeded trace: a node between its neighbours, who may be paid, under which policies it judges, and
 * payments as they are made there, each signed for real.
 *
 * Rules: payments.md (accepted payees, binding). Everything but the verdicts follows from the seed.
 */
import { toHex } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import { nodeIdOf, nodeKey, type NodeId } from '../core/ids.js';
import type { JudgePolicy, Network } from '../core/policy.js';
import type { Random } from '../core/ports.js';
import { payeeOf, signInvoice } from '../dev/bolt11.js';
import type { LightningProof } from '../packet/proof.js';
import { bindingHash, NO_QUOTE } from '../payment/binding.js';
import type { IssuedInvoice } from '../payment/registry.js';
import { ordinaryPolicy } from './ordinary-policy.js';

const KEY_BYTES = 32;

/** The protocol whose governance packets are free under one of the policies. */
export const GOVERNANCE_PROTOCOL = 'commons-v1';

/** Who is paid by an invoice. */
export const PAYEE_NAMES = ['self', 'destination', 'treasury', 'stranger', 'capped'] as const;

export type PayeeName = (typeof PAYEE_NAMES)[number];

/** What an invoice says, where it is not the usual. */
export interface InvoiceTraits {
  readonly network?: Network;
  /** null leaves it to the payer. */
  readonly amountMsat?: bigint | null;
  readonly ageSeconds?: number;
  readonly expirySeconds?: number;
  /** Binds it to one use: this route and price. */
  readonly boundTo?: readonly NodeId[];
}

/** A payment that was made. */
export interface MadePayment {
  readonly number: number;
  readonly payee: PayeeName;
  readonly proof: LightningProof;
  /** What the node would know of it if it had issued it. */
  readonly issued: IssuedInvoice;
}

/** Enough for any packet of a trace. */
export const GENEROUS_MSAT = 60_000n;

export class World {
  readonly source: NodeId;
  readonly self: NodeId;
  readonly router: NodeId;
  readonly destination: NodeId;
  readonly stranger: NodeId;
  /** Judged under in turns; the first is that of an ordinary node. */
  readonly policies: readonly JudgePolicy[];
  readonly #random: Random;
  readonly #keys: { readonly [P in PayeeName]: Uint8Array };
  #payments = 0;

  constructor(random: Random) {
    const node = (): NodeId => nodeIdOf(random.bytes(KEY_BYTES));
    this.#random = random;
    this.source = node();
    this.self = node();
    this.router = node();
    this.destination = node();
    this.stranger = node();
    this.#keys = {
      self: random.bytes(KEY_BYTES),
      destination: random.bytes(KEY_BYTES),
      treasury: random.bytes(KEY_BYTES),
      stranger: random.bytes(KEY_BYTES),
      capped: random.bytes(KEY_BYTES),
    };
    this.policies = this.#policies();
  }

  /** Makes and pays an invoice. About half a millisecond. */
  pay(payee: PayeeName, nowSeconds: number, traits: InvoiceTraits = {}): MadePayment {
    const { network = 'regtest', amountMsat = GENEROUS_MSAT, ageSeconds = 0, expirySeconds = 3_600 } = traits;
    const preimage = this.#random.bytes(KEY_BYTES);
    const paymentHash = sha256(preimage);
    const timestamp = nowSeconds - ageSeconds;
    const use = { network, route: traits.boundTo ?? [], priceMsat: amountMsat ?? 0n, quoteId: NO_QUOTE };
    const descriptionHash = traits.boundTo === undefined ? null : bindingHash(use);
    const fields = { network, amountMsat, timestamp, expirySeconds, paymentHash };
    const invoice = signInvoice(
      { ...fields, paymentSecret: this.#random.bytes(KEY_BYTES), description: descriptionHash ?? 'trace' },
      this.#keys[payee],
    );
    return {
      number: this.#payments++,
      payee,
      proof: {
        kind: 'Lightning',
        invoice,
        preimage,
        amountMsats: amountMsat ?? GENEROUS_MSAT,
        timestamp: BigInt(timestamp),
        expiresAt: BigInt(timestamp + expirySeconds),
      },
      issued: { paymentHash, amountMsat, settledMsat: null, timestamp, expirySeconds, descriptionHash },
    };
  }

  #policies(): readonly JudgePolicy[] {
    const key = (payee: PayeeName): string => toHex(payeeOf(this.#keys[payee]));
    const usual = ordinaryPolicy(this.self, {
      ownPayee: key('self'),
      acceptedPayees: [key('treasury'), key('capped')],
      declaredPayees: [[nodeKey(this.destination), key('destination')]],
      cappedPayees: [key('capped')],
      ctv: true,
      receiveScripts: [`5120${'51'.repeat(32)}`],
      governanceProtocols: [GOVERNANCE_PROTOCOL],
      governanceNodes: [nodeKey(this.source)],
    });
    return [
      usual,
      { ...usual, binding: 'strict', ctv: false },
      { ...usual, mode: 'open' },
      { ...usual, governanceProtocols: [], ownPayee: null },
      { ...usual, mode: 'bitcoin_only' },
      { ...usual, enabled: false },
    ];
  }
}
