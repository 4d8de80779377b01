// Real signed invoices for tests, made with npm bolt11; the same seed gives the same invoice, key and preimage.
// Faulty ones are made by changing the groups of a real one and writing a right checksum behind them.
import { createECDH } from 'node:crypto';
import bolt11 from 'bolt11';
import { assert, present } from '../../src/core/assert.js';
import { toHex } from '../../src/core/bytes.js';
import { sha256 } from '../../src/core/hash.js';
import { INVOICE_PREFIXES, type Network } from '../../src/core/policy.js';
import { SeededRandom } from '../../src/core/random.js';
import type { LightningProof } from '../../src/packet/proof.js';

/** The time at which VirtualClock starts, and at which invoices are issued unless said otherwise. */
export const ISSUED_AT = 1_800_000_000;

/** var_onion_optin and payment_secret, both required: what every wallet writes today. */
const DEFAULT_FEATURES: readonly number[] = [8, 14];

export interface TestPayee {
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** 33 bytes in hex, as the payee of a decoded invoice. */
  readonly publicKey: string;
}

export interface InvoiceOptions {
  /** Chooses the preimage, the secret and, unless given, the payee. */
  readonly seed: number;
  readonly network?: Network;
  /** null for an invoice without amount. */
  readonly amountMsat?: bigint | null;
  /** Unix seconds. */
  readonly timestamp?: number;
  readonly expirySeconds?: number;
  readonly payee?: TestPayee;
  readonly description?: string;
  /** 32 bytes, instead of a description. */
  readonly descriptionHash?: Uint8Array;
  /** Feature bits that are set. */
  readonly features?: readonly number[];
  /** false leaves the payment secret out. */
  readonly hasSecret?: boolean;
  /** true adds the n field. */
  readonly namesPayee?: boolean;
  /** Written one after another instead of the payment hash, in hex of any length. */
  readonly paymentHashes?: readonly string[];
}

export interface TestInvoice {
  readonly invoice: string;
  readonly preimage: Uint8Array;
  readonly paymentHash: Uint8Array;
  readonly payee: TestPayee;
  readonly amountMsat: bigint | null;
  readonly timestamp: number;
  readonly expirySeconds: number;
}

/** The payee of a seed. */
export function testPayee(seed: number): TestPayee {
  const privateKey = new SeededRandom(seed ^ 0x5eed).bytes(32);
  const ecdh = createECDH('secp256k1');
  ecdh.setPrivateKey(privateKey);
  return { privateKey, publicKey: ecdh.getPublicKey('hex', 'compressed') };
}

/** A signed invoice of 10,000 msat that lives an hour, unless said otherwise. */
export function makeInvoice(options: InvoiceOptions): TestInvoice {
  const random = new SeededRandom(options.seed);
  const preimage = random.bytes(32);
  const secret = random.bytes(32);
  const paymentHash = sha256(preimage);
  const payee = options.payee ?? testPayee(options.seed);
  const { amountMsat = 10_000n, timestamp = ISSUED_AT, expirySeconds = 3_600 } = options;
  const { descriptionHash, hasSecret = true, namesPayee = false } = options;
  const tags: { tagName: string; data: bolt11.TagData }[] = [
    ...(options.paymentHashes ?? [toHex(paymentHash)]).map((data) => ({ tagName: 'payment_hash', data })),
    descriptionHash === undefined
      ? { tagName: 'description', data: options.description ?? 'mesh' }
      : { tagName: 'purpose_commit_hash', data: toHex(descriptionHash) },
    { tagName: 'expire_time', data: expirySeconds },
    { tagName: 'feature_bits', data: featureBits(options.features ?? DEFAULT_FEATURES) },
  ];
  if (hasSecret) tags.push({ tagName: 'payment_secret', data: toHex(secret) });
  if (namesPayee) tags.push({ tagName: 'payee_node_key', data: payee.publicKey });
  const unsigned = bolt11.encode(
    {
      network: networkParameters(options.network ?? 'regtest'),
      timestamp,
      millisatoshis: amountMsat === null ? null : String(amountMsat),
      tags,
    },
    false,
  );
  const { paymentRequest } = bolt11.sign(unsigned, toHex(payee.privateKey));
  const invoice = present(paymentRequest, 'a signed invoice has its text');
  return { invoice, preimage, paymentHash, payee, amountMsat, timestamp, expirySeconds };
}

/** The proof of someone who paid the invoice and tells the truth, with what is said otherwise. */
export function proofOf(paid: TestInvoice, lies: Partial<LightningProof> = {}): LightningProof {
  return {
    kind: 'Lightning',
    invoice: paid.invoice,
    preimage: paid.preimage,
    amountMsats: paid.amountMsat ?? 0n,
    timestamp: BigInt(paid.timestamp),
    expiresAt: BigInt(paid.timestamp + paid.expirySeconds),
    ...lies,
  };
}

const CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const CHECKSUM_GROUPS = 6;

/** Groups of 5 bits that the signature with its recovery id takes, at the end. */
export const SIGNATURE_GROUPS = 104;

/** The invoice with its groups of 5 bits changed, and a right bech32 checksum of the result. */
export function withGroups(invoice: string, change: (groups: number[]) => number[]): string {
  const separator = invoice.lastIndexOf('1');
  const prefix = invoice.slice(0, separator);
  const data = invoice.slice(separator + 1, -CHECKSUM_GROUPS);
  const groups = change(Array.from(data, (character) => CHARSET.indexOf(character)));
  assert(
    groups.every((group) => group >= 0 && group < 32),
    'a group has 5 bits',
  );
  return `${prefix}1${[...groups, ...checksum(prefix, groups)].map((group) => CHARSET.charAt(group)).join('')}`;
}

/** The order of secp256k1. */
const ORDER = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

/** The same invoice with the other signature of the pair: s high where it was low; the same key recovers. */
export function withHighS(invoice: string): string {
  return withGroups(invoice, (groups) => {
    let signature = groups.slice(-SIGNATURE_GROUPS).reduce((whole, group) => whole * 32n + BigInt(group), 0n);
    const recovery = signature & 0xffn;
    signature >>= 8n;
    const r = signature >> 256n;
    const s = ORDER - (signature & ((1n << 256n) - 1n));
    let flipped = (((r << 256n) | s) << 8n) | (recovery ^ 1n);
    const changed = groups.slice();
    for (let i = changed.length - 1; i >= changed.length - SIGNATURE_GROUPS; i--) {
      changed[i] = Number(flipped % 32n);
      flipped /= 32n;
    }
    return changed;
  });
}

/** The same invoice with the negated key in its n field, which must be its last: a point of the curve too. */
export function withNegatedPayee(invoice: string): string {
  // The key begins with 2 or 3 in its first 8 bits; the last of those is the middle bit of the second group.
  const at = -SIGNATURE_GROUPS - 52;
  return withGroups(invoice, (groups) =>
    groups.with(at, present(groups.at(at), 'the field has 53 groups') ^ 4),
  );
}

/** BIP 173. */
function checksum(prefix: string, groups: readonly number[]): number[] {
  const codes = Array.from(prefix, (character) => character.charCodeAt(0));
  const expanded = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
  let state = 1;
  for (const value of [...expanded, ...groups, 0, 0, 0, 0, 0, 0]) {
    const top = state >>> 25;
    state = ((state & 0x1ff_ffff) << 5) ^ value;
    [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].forEach((generator, bit) => {
      if (((top >> bit) & 1) === 1) state ^= generator;
    });
  }
  state ^= 1;
  return Array.from({ length: CHECKSUM_GROUPS }, (_, index) => (state >>> (5 * (5 - index))) & 31);
}

/** What the package asks of a network; the address versions serve fallbacks alone, which none of these has. */
function networkParameters(network: Network): NonNullable<bolt11.PaymentRequestObject['network']> {
  return {
    bech32: INVOICE_PREFIXES[network],
    pubKeyHash: 0x6f,
    scriptHash: 0xc4,
    validWitnessVersions: [0, 1],
  };
}

/** The package's form of feature bits: those from 20 on as a list, those below by the names it needs here. */
function featureBits(bits: readonly number[]): bolt11.TagData {
  const feature = (index: number): { required: boolean; supported: boolean } => ({
    required: bits.includes(2 * index),
    supported: bits.includes(2 * index + 1),
  });
  const extra = bits.filter((bit) => bit >= 20);
  return {
    word_length: Math.ceil((Math.max(...bits) + 1) / 5),
    var_onion_optin: feature(4),
    payment_secret: feature(7),
    basic_mpp: feature(8),
    ...(extra.length === 0
      ? {}
      : {
          extra_bits: {
            start_bit: 20,
            bits: Array.from({ length: Math.max(...extra) - 19 }, (_, index) => bits.includes(20 + index)),
          },
        }),
  };
}
