/**
 * The typed door to npm bolt11: makes and signs the development wallet's invoices.
 *
 * Rules: BOLT11 (tags p, s, d or h, x, c, 9). Only amounts as text and tags that we set ourselves pass here, so
 * the library's weak spots (amounts as floats, loose parsing) stay outside.
 */
import { createECDH } from 'node:crypto';
import bolt11 from 'bolt11';
import { assert, present } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { INVOICE_PREFIXES, type Network } from '../core/policy.js';

/** What an invoice says. */
export interface InvoiceFields {
  readonly network: Network;
  /** null leaves the amount to the payer. */
  readonly amountMsat: bigint | null;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly expirySeconds: number;
  /** 32 bytes. */
  readonly paymentHash: Uint8Array;
  /** 32 bytes. */
  readonly paymentSecret: Uint8Array;
  /** Text of at most 639 bytes, or the 32-byte hash of one. */
  readonly description: string | Uint8Array;
}

/** Blocks that the last hop wants: BOLT11's default. */
const FINAL_CLTV_BLOCKS = 18;

/** Address versions are part of the library's network type; without fallback addresses nothing reads them. */
function networkOf(network: Network): {
  bech32: string;
  pubKeyHash: number;
  scriptHash: number;
  validWitnessVersions: number[];
} {
  return {
    bech32: INVOICE_PREFIXES[network],
    pubKeyHash: 0x6f,
    scriptHash: 0xc4,
    validWitnessVersions: [0, 1],
  };
}

/**
 * A signed BOLT11 invoice.
 * @param privateKey 32 bytes; the payee's key, recovered from the signature, is its public half
 */
export function signInvoice(fields: InvoiceFields, privateKey: Uint8Array): string {
  assert(fields.amountMsat === null || fields.amountMsat > 0n, 'an amount is positive or left out');
  const description =
    typeof fields.description === 'string'
      ? { tagName: 'description', data: fields.description }
      : { tagName: 'purpose_commit_hash', data: toHex(fields.description) };
  const unsigned = bolt11.encode(
    {
      network: networkOf(fields.network),
      ...(fields.amountMsat === null ? {} : { millisatoshis: fields.amountMsat.toString() }),
      timestamp: fields.timestamp,
      tags: [
        { tagName: 'payment_hash', data: toHex(fields.paymentHash) },
        { tagName: 'payment_secret', data: toHex(fields.paymentSecret) },
        description,
        { tagName: 'expire_time', data: fields.expirySeconds },
        { tagName: 'min_final_cltv_expiry', data: FINAL_CLTV_BLOCKS },
        {
          tagName: 'feature_bits',
          data: {
            word_length: 4,
            var_onion_optin: { required: true, supported: false },
            payment_secret: { required: true, supported: false },
          },
        },
      ],
    },
    false,
  );
  return present(bolt11.sign(unsigned, toHex(privateKey)).paymentRequest, 'a signed invoice has its text');
}

/** The 33-byte compressed public key of a 32-byte secp256k1 key: the payee of its invoices. */
export function payeeOf(privateKey: Uint8Array): Uint8Array {
  const pair = createECDH('secp256k1');
  pair.setPrivateKey(privateKey);
  return new Uint8Array(pair.getPublicKey(null, 'compressed'));
}
