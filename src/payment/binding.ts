/**
 * What an invoice may be used for: its description hash commits to one route, one price and one quote.
 *
 * Rules: payments.md, Lightning, Binding. Who pays or is paid makes such an invoice with `bindingHash`; every node on
 * the route recomputes it. An invoice holds either a description or a hash of one, and nothing tells a commitment to
 * another use from the hash of any other text. So a description hash that is not this packet's is refused whatever
 * the packet says: otherwise leaving out its quote id would be enough to use a bound invoice elsewhere.
 */
import { assert } from '../core/assert.js';
import { BincodeWriter } from '../core/bincode.js';
import { equalBytes, fromHex, utf8 } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { INVOICE_PREFIXES, type BindingRule, type Network } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import type { MeshPacket } from '../packet/packet.js';

/** The field of a packet's metadata that holds its quote id, in hex. */
export const QUOTE_ID_FIELD = 'quote_id';

export const QUOTE_ID_BYTES = 16;

/** The quote id of a packet that names none, as one sent through the module API does. */
export const NO_QUOTE: Uint8Array = new Uint8Array(QUOTE_ID_BYTES);

const DOMAIN = utf8('blvm-mesh/1');

/** What an invoice is bound to. */
export interface InvoiceUse {
  readonly network: Network;
  /** The ids of the route, source first. */
  readonly route: readonly NodeId[];
  /** What was agreed on: the price that the nodes ask, or what the invoice pays where that is more. */
  readonly priceMsat: bigint;
  /** 16 bytes; NO_QUOTE where the packet will name none. */
  readonly quoteId: Uint8Array;
}

/**
 * The description hash of an invoice that is good for this use alone, 32 bytes:
 * SHA-256("blvm-mesh/1" || network || count || route ids || price_msat u64 LE || quote_id 16 B).
 * Network is the prefix of its invoices behind `ln` as ASCII (`bc`, `tb`, `tbs`, `bcrt`), count the number of ids as
 * one byte, each id 32 bytes. A count is at most 11 and no letter, so no two uses are written alike.
 */
export function bindingHash(use: InvoiceUse): Uint8Array {
  const { network, route, priceMsat, quoteId } = use;
  assert(quoteId.length === QUOTE_ID_BYTES, 'a quote id has 16 bytes');
  assert(route.length <= LIMITS.ROUTE_IDS, 'a route has at most 11 ids');
  const price = new BincodeWriter(8);
  price.u64(priceMsat);
  return sha256(
    DOMAIN,
    utf8(INVOICE_PREFIXES[network]),
    Uint8Array.of(route.length),
    ...route,
    price.finish(),
    quoteId,
  );
}

/** What the rules need to know of one payment. */
export interface BoundPayment {
  /** Of the invoice, 32 bytes; null where it has none. */
  readonly descriptionHash: Uint8Array | null;
  /** The prices that it may have been bound to: what this node asks, and what was paid. */
  readonly pricesMsat: readonly bigint[];
}

/** Whether a payment may be used for a packet, as far as its invoice says what it is for. */
export function judgeBinding(
  { descriptionHash, pricesMsat }: BoundPayment,
  packet: MeshPacket,
  network: Network,
  rule: BindingRule,
): Reason {
  const quoteText = packet.metadata?.fields.get(QUOTE_ID_FIELD);
  if (descriptionHash === null) {
    if (quoteText !== undefined) return Reason.BindingMismatch;
    return rule === 'strict' ? Reason.BindingRequired : Reason.Accepted;
  }
  const quoteId = quoteText === undefined ? NO_QUOTE : fromHex(quoteText);
  if (quoteId?.length !== QUOTE_ID_BYTES) return Reason.BindingMismatch;
  const isBound = pricesMsat.some((priceMsat) =>
    equalBytes(bindingHash({ network, route: packet.route, priceMsat, quoteId }), descriptionHash),
  );
  return isBound ? Reason.Accepted : Reason.BindingMismatch;
}

/** The alphabet of bech32: a character's place is its value. */
const GROUPS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const TIMESTAMP_GROUPS = 7;
/** A signature with its recovery id, and the checksum. */
const TAIL_GROUPS = 110;
const HASH_TAG = 'h';
const HASH_GROUPS = 52;

/**
 * Whether an invoice that was judged good commits to its use. Only skips from field to field, so that the main thread
 * may ask; says nothing of a text that is no invoice.
 */
export function isBoundInvoice(invoice: string): boolean {
  const text = invoice.toLowerCase();
  const end = text.length - TAIL_GROUPS;
  let at = text.lastIndexOf('1') + 1 + TIMESTAMP_GROUPS;
  while (at + 3 <= end) {
    const length = GROUPS.indexOf(text.charAt(at + 1)) * 32 + GROUPS.indexOf(text.charAt(at + 2));
    if (length < 0) return false;
    if (text.charAt(at) === HASH_TAG && length === HASH_GROUPS) return true;
    at += 3 + length;
  }
  return false;
}
