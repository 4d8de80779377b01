/**
 * The covenant that an InstantSettlement proof carries: a transaction template and what it was made for.
 *
 * Rules: wire.md, covenant_proof. Whether the template pays anyone is judged in src/payment, not here.
 */
import {
  bytes,
  decode,
  encode,
  fixedBytes,
  option,
  string,
  struct,
  u32,
  u64,
  vec,
  type Codec,
  type Decoded,
  type Json,
  type SmallIntegers,
} from '../core/codec.js';

export interface TemplateInput {
  /** 32 bytes, in the order of the transaction's own serialization. */
  readonly prevoutHash: Uint8Array;
  readonly prevoutIndex: number;
  readonly sequence: number;
}

export interface TemplateOutput {
  /** Satoshis. */
  readonly value: bigint;
  readonly scriptPubkey: Uint8Array;
}

export interface TransactionTemplate {
  readonly version: number;
  readonly inputs: readonly TemplateInput[];
  readonly outputs: readonly TemplateOutput[];
  readonly lockTime: number;
}

export interface CovenantProof {
  /** 32 bytes: the BIP119 hash that the sender claims. */
  readonly templateHash: Uint8Array;
  readonly transactionTemplate: TransactionTemplate;
  readonly paymentRequestId: string;
  /** Unix seconds, the sender's claim. */
  readonly createdAt: bigint;
  readonly signature: Uint8Array | null;
}

/** The wire form of CovenantProof. */
export const covenantProof: Codec<CovenantProof> = struct({
  templateHash: fixedBytes(32),
  transactionTemplate: struct<TransactionTemplate>({
    version: u32,
    inputs: vec(struct<TemplateInput>({ prevoutHash: fixedBytes(32), prevoutIndex: u32, sequence: u32 })),
    outputs: vec(struct<TemplateOutput>({ value: u64, scriptPubkey: bytes })),
    lockTime: u32,
  }),
  paymentRequestId: string,
  createdAt: u64,
  signature: option(bytes),
});

export function decodeCovenant(input: Uint8Array): Decoded<CovenantProof> {
  return decode(covenantProof, input);
}

export function encodeCovenant(proof: CovenantProof): Uint8Array {
  return encode(covenantProof, proof);
}

/** The JSON form of the vectors. */
export function covenantJson(proof: CovenantProof, integers: SmallIntegers = 'text'): Json {
  return covenantProof.json(proof, integers);
}
