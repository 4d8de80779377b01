/**
 * Payment proofs as they stand in packets and in the module API.
 *
 * Rules: wire.md, PaymentProof. The oldest generation had InstantSettlement at tag 1, without merkle_proof;
 * `decodeEither` reads the whole input in the current form first and accepts the oldest only if it fits exactly.
 */
import { assert } from '../core/assert.js';
import {
  bytes,
  decode,
  encode,
  fixedBytes,
  string,
  struct,
  taggedEnum,
  u32,
  u64,
  vec,
  type Codec,
  type Decoded,
  type Json,
  type SmallIntegers,
} from '../core/codec.js';
import { Reason } from '../core/reasons.js';
import { decodeCovenant } from './covenant.js';

/** A Lightning payment: the invoice and the preimage that proves that it was paid. */
export interface LightningProof {
  readonly kind: 'Lightning';
  /** BOLT11. Its length is not bounded here but by the packet. */
  readonly invoice: string;
  /** The same where it lies, if it is ASCII and the packet is looked at in place (examined.ts). */
  readonly invoiceBytes?: Uint8Array;
  /** 32 bytes. */
  readonly preimage: Uint8Array;
  readonly amountMsats: bigint;
  /** Unix seconds, the sender's claim. */
  readonly timestamp: bigint;
  /** Unix seconds, the sender's claim: may only shorten what the invoice says. */
  readonly expiresAt: bigint;
}

/** A payment request of the node that was settled by a transaction. */
export interface OnChainProof {
  readonly kind: 'OnChainSettlement';
  readonly paymentRequestId: string;
  /** 32 bytes. */
  readonly txHash: Uint8Array;
  readonly amountSats: bigint;
  /** Unix seconds, the sender's claim. */
  readonly timestamp: bigint;
}

/** A covenant output (CTV) that pays this node. */
export interface InstantProof {
  readonly kind: 'InstantSettlement';
  /** Bincode of a CovenantProof (covenant.ts). */
  readonly covenantProof: Uint8Array;
  readonly outputIndex: number;
  /** Hashes of 32 bytes; null in a proof of the oldest generation, which has no such field. */
  readonly merkleProof: readonly Uint8Array[] | null;
  readonly amountSats: bigint;
  /** Unix seconds, the sender's claim. */
  readonly timestamp: bigint;
}

export type PaymentProof = LightningProof | OnChainProof | InstantProof;

const hash = fixedBytes(32);
const hashes = vec(hash);

/** The list of the current generation; a proof without one is of the oldest and never comes here. */
const merkleProof: Codec<readonly Uint8Array[] | null> = {
  minBytes: hashes.minBytes,
  read: (reader) => hashes.read(reader),
  write: (writer, value) => {
    assert(value !== null, 'the current generation has a merkle proof');
    hashes.write(writer, value);
  },
  json: (value, integers) => (value === null ? null : hashes.json(value, integers)),
};

const current = taggedEnum<PaymentProof>('payment_proof', {
  Lightning: struct({
    invoice: string,
    preimage: hash,
    amountMsats: u64,
    timestamp: u64,
    expiresAt: u64,
  }),
  OnChainSettlement: struct({
    paymentRequestId: string,
    txHash: hash,
    amountSats: u64,
    timestamp: u64,
  }),
  InstantSettlement: struct({
    covenantProof: bytes,
    outputIndex: u32,
    merkleProof,
    amountSats: u64,
    timestamp: u64,
  }),
});

const OLDEST_INSTANT_TAG = 1;

const oldestInstant = struct<Omit<InstantProof, 'kind' | 'merkleProof'>>({
  covenantProof: bytes,
  outputIndex: u32,
  amountSats: u64,
  timestamp: u64,
});

function isOldest(proof: PaymentProof): proof is InstantProof {
  return proof.kind === 'InstantSettlement' && proof.merkleProof === null;
}

/** Reads the current generation; writes and shows the one that the value is of. */
export const paymentProof: Codec<PaymentProof> = {
  minBytes: Math.min(current.minBytes, 4 + oldestInstant.minBytes),
  read: (reader) => current.read(reader),
  write: (writer, value) => {
    if (!isOldest(value)) {
      current.write(writer, value);
      return;
    }
    writer.tag(OLDEST_INSTANT_TAG);
    oldestInstant.write(writer, value);
  },
  json: (value, integers) =>
    isOldest(value)
      ? { InstantSettlement: oldestInstant.json(value, integers) }
      : current.json(value, integers),
};

/**
 * As `paymentProof`, but reads the oldest generation, and of that only what differs: tag 1. Its covenant must
 * decode, since an OnChainSettlement cut short by 28 bytes has the same shape with its request id in that place.
 */
export const oldestPaymentProof: Codec<PaymentProof> = {
  ...paymentProof,
  read: (reader) => {
    const at = reader.offset;
    if (reader.tag(OLDEST_INSTANT_TAG + 1, 'payment_proof') !== OLDEST_INSTANT_TAG) {
      reader.fail(Reason.UnknownTag, 'only tag 1 differs in the oldest generation', at);
    }
    const { covenantProof, outputIndex, amountSats, timestamp } = oldestInstant.read(reader);
    const covenant = decodeCovenant(covenantProof);
    if (!covenant.ok) reader.fail(covenant.failure.reason, `covenant_proof: ${covenant.failure.detail}`, at);
    return {
      kind: 'InstantSettlement',
      covenantProof,
      outputIndex,
      merkleProof: null,
      amountSats,
      timestamp,
    };
  },
};

/**
 * Decodes a whole input that holds at most one proof: in the current form, or else in the oldest.
 * @param newer the codec with `paymentProof` inside
 * @param oldest the same with `oldestPaymentProof`
 * @returns where both fail, the failure of the current form
 */
export function decodeEither<T>(newer: Codec<T>, oldest: Codec<T>, input: Uint8Array): Decoded<T> {
  const first = decode(newer, input);
  if (first.ok) return first;
  const second = decode(oldest, input);
  return second.ok ? second : first;
}

export function decodeProof(input: Uint8Array): Decoded<PaymentProof> {
  return decodeEither(paymentProof, oldestPaymentProof, input);
}

/** The bytes, in the generation that the proof is of. */
export function encodeProof(proof: PaymentProof): Uint8Array {
  return encode(paymentProof, proof);
}

/** The JSON form of the vectors. */
export function proofJson(proof: PaymentProof, integers: SmallIntegers = 'text'): Json {
  return paymentProof.json(proof, integers);
}

/** What the proof claims to have paid, in msat. A claim: only verification makes it an amount. */
export function amountMsatOf(proof: PaymentProof): bigint {
  return proof.kind === 'Lightning' ? proof.amountMsats : proof.amountSats * 1_000n;
}
