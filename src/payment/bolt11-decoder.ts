/**
 * An InvoiceDecoder over the npm package bolt11, fenced in: what it takes too lightly is refused here.
 *
 * Rules: payments.md, Lightning; BOLT11. The package throws on most bad input (each exception becomes a reason),
 * reads amounts into floats (amounts are read here, from the prefix, exactly), takes fields that end anywhere
 * (invoice-fields.ts) and checks neither how often a field stands, nor features, nor the form of the signature
 * (checked here from what it returns).
 * Where it falls short on a valid invoice, the invoice is refused: amounts above 21 million bitcoin, expiries that
 * no Date holds, an n of the wrong length, an n whose recovery id is not the signature's.
 */
import bolt11 from 'bolt11';
import { present } from '../core/assert.js';
import { U64_MAX } from '../core/bincode.js';
import { fromHex } from '../core/bytes.js';
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { faultOfFields } from './invoice-fields.js';
import type { InvoiceDecoder, InvoiceVerdict } from './invoice.js';

type Decoded = ReturnType<typeof bolt11.decode>;
type Refusal = Extract<InvoiceVerdict, { readonly ok: false }>;

/** Seconds that an invoice without an expiry lives (BOLT11, x). */
const DEFAULT_EXPIRY_SECONDS = 3_600;

/** Hex digits of a 256-bit field: exactly 52 groups of 5 bits give 32 bytes, any other count gives another length. */
const HASH_HEX = 64;
const PUBLIC_KEY_HEX = 66;

/** The prefix of the network, and the amount as digits and multiplier; nothing else may stand before the last 1. */
const HUMAN_READABLE = /^ln(bcrt|bc|tbs|tb)(?:(\d+)([munp]?))?$/;

/** No amount of at most 2^64-1 msat has more digits, even in pico-bitcoin. */
const AMOUNT_DIGITS = 21;

/** Tenths of a msat in one unit of each multiplier, so that pico-bitcoin are whole too. */
const TENTHS_OF_MSAT: Readonly<Record<string, bigint>> = {
  '': 1_000_000_000_000n,
  m: 1_000_000_000n,
  u: 1_000_000n,
  n: 1_000n,
  p: 1n,
};

/** Half the order of secp256k1: an s above it is not the canonical one of its pair. */
const HALF_ORDER = 0x7fffffff_ffffffff_ffffffff_ffffffff_5d576e73_57a4501d_dfe92f46_681b20a0n;

/**
 * Even (required) feature bits that an invoice may ask for (BOLT9, context 9): var_onion_optin, payment_secret,
 * basic_mpp, option_payment_metadata. Their odd twins are optional, as are all odd bits.
 */
const KNOWN_REQUIRED_FEATURES: ReadonlySet<number> = new Set([8, 14, 16, 48]);

/** The package's names of the features that it takes apart, two bits each, from bit 0. */
const NAMED_FEATURES = [
  'option_data_loss_protect',
  'initial_routing_sync',
  'option_upfront_shutdown_script',
  'gossip_queries',
  'var_onion_optin',
  'gossip_queries_ex',
  'option_static_remotekey',
  'payment_secret',
  'basic_mpp',
  'option_support_large_channel',
] as const;

/** Exceptions of the package by how they begin or what they say; anything else is a malformed invoice. */
const REASONS_OF_ERRORS: readonly (readonly [RegExp, Reason])[] = [
  [/^Invalid checksum/, Reason.InvoiceChecksum],
  [/^Mixed-case/, Reason.InvoiceMixedCase],
  [/does not match payee pubkey/, Reason.InvoicePayeeMismatch],
  [/signature|recover/i, Reason.InvoiceSignature],
  [/^Amount is outside/, Reason.AmountNotExact],
];

export class Bolt11Decoder implements InvoiceDecoder {
  decode(text: string): InvoiceVerdict {
    if (text.length > LIMITS.INVOICE_CHARS) {
      return refuse(Reason.InvoiceTooLong, `${text.length} characters`);
    }
    if (!/^[\x21-\x7e]*$/.test(text)) return refuse(Reason.InvoiceMalformed, 'not printable ASCII');
    const lower = text.toLowerCase();
    if (text !== lower && text !== text.toUpperCase()) {
      return refuse(Reason.InvoiceMixedCase, 'upper and lower case letters');
    }
    const prefix = HUMAN_READABLE.exec(lower.slice(0, Math.max(0, lower.lastIndexOf('1'))));
    if (prefix === null)
      return refuse(Reason.InvoiceMalformed, 'no prefix of a known network with an amount');
    const network = present(prefix[1], 'the network is no optional part of the pattern');
    const amount = readAmount(prefix[2], prefix[3] ?? '');
    if (!amount.ok) return amount;

    const fault = faultOfFields(lower);
    if (fault !== null) return refuse(Reason.InvoiceMalformed, fault);

    let decoded: Decoded;
    try {
      decoded = bolt11.decode(lower, networkParameters(network));
    } catch (error) {
      const detail = errorText(error);
      const known = REASONS_OF_ERRORS.find(([pattern]) => pattern.test(detail));
      // The package's text may quote the whole invoice.
      return refuse(known?.[1] ?? Reason.InvoiceMalformed, detail.slice(0, 80));
    }
    return readFields(decoded, network, amount.msat);
  }
}

/** The amount of a prefix: exact, canonical, at most 2^64-1 msat. */
function readAmount(
  digits: string | undefined,
  multiplier: string,
): Refusal | { readonly ok: true; readonly msat: bigint | null } {
  if (digits === undefined) return { ok: true, msat: null };
  if (digits.length > 1 && digits.startsWith('0')) {
    return refuse(Reason.InvoiceMalformed, 'the amount has leading zeros');
  }
  if (digits.length > AMOUNT_DIGITS) return refuse(Reason.AmountNotExact, 'the amount has too many digits');
  const tenths = BigInt(digits) * present(TENTHS_OF_MSAT[multiplier], 'the pattern allows these multipliers');
  if (tenths % 10n !== 0n) return refuse(Reason.AmountNotExact, 'the amount is no whole number of msat');
  const msat = tenths / 10n;
  if (msat > U64_MAX) return refuse(Reason.AmountNotExact, 'the amount is above 2^64-1 msat');
  return { ok: true, msat };
}

/** The rules about fields that the package leaves to its caller. */
function readFields(decoded: Decoded, network: string, amountMsat: bigint | null): InvoiceVerdict {
  // Fields of the wrong length are skipped, not counted (BOLT11; payments.md).
  const hashes = textFields(decoded, 'payment_hash', HASH_HEX);
  const secrets = textFields(decoded, 'payment_secret', HASH_HEX);
  const descriptionHashes = textFields(decoded, 'purpose_commit_hash', HASH_HEX);
  const descriptions = textFields(decoded, 'description');
  const [hash] = hashes;
  const [secret] = secrets;
  if (hash === undefined) return refuse(Reason.InvoiceMissingField, 'p: no payment hash');
  if (secret === undefined) return refuse(Reason.InvoiceMissingField, 's: no payment secret');
  if (descriptions.length + descriptionHashes.length === 0) {
    return refuse(Reason.InvoiceMissingField, 'd or h: no description');
  }
  if (hashes.length > 1) return refuse(Reason.InvoiceDuplicateField, 'p: two payment hashes');
  if (secrets.length > 1) return refuse(Reason.InvoiceDuplicateField, 's: two payment secrets');
  if (descriptions.length + descriptionHashes.length > 1) {
    return refuse(Reason.InvoiceDuplicateField, 'd or h: two descriptions');
  }
  // The package replaces what is not UTF-8; a text that was damaged so cannot be told from one that was.
  if (descriptions[0]?.includes('\ufffd') === true) {
    return refuse(Reason.InvoiceMalformed, 'd: not valid UTF-8');
  }
  const feature = unknownRequiredFeature(decoded);
  if (feature !== null) return refuse(Reason.InvoiceUnknownFeature, `bit ${feature} is required`);
  const namesPayee = textFields(decoded, 'payee_node_key', PUBLIC_KEY_HEX).length > 0;
  if (namesPayee && hasHighS(decoded)) return refuse(Reason.InvoiceSignature, 'the signature is not low-S');

  return {
    ok: true,
    invoice: {
      paymentHash: hashBytes(hash),
      payee: present(decoded.payeeNodeKey, 'a decoded invoice has a payee'),
      amountMsat,
      timestamp: present(decoded.timestamp, 'a decoded invoice has a timestamp'),
      expirySeconds: expiryOf(decoded),
      paymentSecret: hashBytes(secret),
      description: descriptions[0] ?? null,
      descriptionHash: descriptionHashes[0] === undefined ? null : hashBytes(descriptionHashes[0]),
      network,
    },
  };
}

/** The fields of a name that the package gives as text, those of the given length where one is given. */
function textFields(decoded: Decoded, name: string, length?: number): string[] {
  return decoded.tags
    .filter((tag) => tag.tagName === name)
    .map((tag) => tag.data)
    .filter((data) => typeof data === 'string')
    .filter((data) => length === undefined || data.length === length);
}

function hashBytes(hex: string): Uint8Array {
  return present(fromHex(hex), 'the package writes whole bytes as hex');
}

function expiryOf(decoded: Decoded): number {
  const field = decoded.tags.find((tag) => tag.tagName === 'expire_time');
  if (typeof field?.data !== 'number') return DEFAULT_EXPIRY_SECONDS;
  return Math.min(field.data, Number.MAX_SAFE_INTEGER);
}

/** The first even feature bit that is set and not known, or null. */
function unknownRequiredFeature(decoded: Decoded): number | null {
  const required: number[] = [];
  for (const { data } of decoded.tags.filter((tag) => tag.tagName === 'feature_bits')) {
    if (typeof data !== 'object' || !('word_length' in data)) continue;
    NAMED_FEATURES.forEach((name, index) => {
      if (data[name]?.required === true) required.push(2 * index);
    });
    const extra = data.extra_bits;
    extra?.bits.forEach((isSet, index) => {
      if (isSet && (extra.start_bit + index) % 2 === 0) required.push(extra.start_bit + index);
    });
  }
  return required.find((bit) => !KNOWN_REQUIRED_FEATURES.has(bit)) ?? null;
}

function hasHighS(decoded: Decoded): boolean {
  const signature = present(decoded.signature, 'a decoded invoice has a signature');
  return BigInt(`0x${signature.slice(64)}`) > HALF_ORDER;
}

/** What the package asks of a network; without it, it knows no signet. Address versions serve fallbacks alone. */
function networkParameters(network: string): NonNullable<Decoded['network']> {
  const isMainnet = network === 'bc';
  return {
    bech32: network,
    pubKeyHash: isMainnet ? 0x00 : 0x6f,
    scriptHash: isMainnet ? 0x05 : 0xc4,
    validWitnessVersions: [0, 1],
  };
}

function refuse(reason: Reason, detail: string): Refusal {
  return { ok: false, reason, detail };
}
