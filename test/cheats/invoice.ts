// Cheats 1 to 22: the invoice. The packet is good otherwise: from node 0 over 1 to 2, paid to 2.
import { toHex } from '../../src/core/bytes.js';
import { bindingHash, NO_QUOTE } from '../../src/payment/binding.js';
import { invoice, over, overwrite, proof, text } from '../support/engine-cheats.js';
import { PLENTY_MSAT, type EngineNet } from '../support/engine-net.js';
import {
  makeInvoice,
  SIGNATURE_GROUPS,
  testPayee,
  withHighS,
  withNegatedPayee,
} from '../support/invoices.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { cheat, type Cheat } from './catalogue.js';

const DAY = 86_400;
/** Of `hello, mesh` over the two hops from 0 to 2 (NET_FEES). */
const PRICE = 1_210n;
/** The share of a router between two nodes: 30 %. */
const SHARE = (PLENTY_MSAT * 3n) / 10n;

/** A payment to node 2 that commits to a route and a price. */
function boundTo(net: EngineNet, route: readonly number[], priceMsat: bigint): LightningProof {
  const ids = route.map((index) => net.idOf(index));
  const use = { network: 'regtest', route: ids, priceMsat, quoteId: NO_QUOTE } as const;
  return net.pay(2, { descriptionHash: bindingHash(use) });
}

export const INVOICE_CHEATS: readonly Cheat[] = [
  cheat(
    1,
    'self-issued by the sender',
    "an invoice of the source's own key, which it paid to itself",
    'PayeeIsSource',
    proof((net) => net.pay(0)),
  ),
  cheat(
    2,
    'payee not accepted',
    'a paid invoice of a key that no node accepts',
    'PayeeNotAccepted',
    invoice({ payee: testPayee(1) }),
  ),
  cheat(
    3,
    'no amount, large claim',
    'an invoice without an amount, and a claim of 2^60 msat',
    'NoAmount',
    invoice({ amountMsat: null }, { amountMsats: 1n << 60n }),
  ),
  cheat(
    4,
    'claimed more than the invoice',
    'one msat more in the proof than in the invoice',
    'AmountMismatch',
    invoice({}, { amountMsats: PLENTY_MSAT + 1n }),
  ),
  cheat(
    5,
    'claimed less than the price',
    'one msat less than the packet costs',
    'AmountTooLow',
    invoice({ amountMsat: PRICE - 1n }),
  ),
  cheat(
    6,
    'expired, proof claims later',
    'an invoice a second past its hour, and a proof that says tomorrow',
    'InvoiceExpired',
    proof((net) => {
      const now = net.clock.unixSeconds();
      return net.pay(2, { timestamp: now - 3_601 }, { expiresAt: BigInt(now + DAY) });
    }),
  ),
  cheat(
    7,
    'issued in the future',
    'an invoice dated 200 s ahead, and a proof dated now',
    'InvoiceFromFuture',
    proof((net) => {
      const now = net.clock.unixSeconds();
      return net.pay(2, { timestamp: now + 200 }, { timestamp: BigInt(now) });
    }),
  ),
  cheat(8, 'wrong network', 'a testnet invoice on regtest', 'WrongNetwork', invoice({ network: 'testnet' })),
  cheat(
    9,
    'wrong preimage',
    '32 zero bytes as preimage',
    'WrongPreimage',
    invoice({}, { preimage: new Uint8Array(32) }),
  ),
  cheat(
    10,
    'preimage of another invoice',
    'the preimage of another paid invoice',
    'WrongPreimage',
    invoice({ seed: 1 }, { preimage: makeInvoice({ seed: 2 }).preimage }),
  ),
  cheat(
    11,
    'broken signature with a right checksum',
    'r above the order of the curve, and a right bech32 checksum',
    'InvoiceSignature',
    text((good) => overwrite(good, SIGNATURE_GROUPS, new Array<number>(SIGNATURE_GROUPS / 2).fill(31))),
  ),
  cheat(
    12,
    'n not matching',
    'an n field that names the negated key',
    'InvoicePayeeMismatch',
    text(withNegatedPayee, { namesPayee: true }),
  ),
  cheat(
    13,
    'high-S with n',
    'the other signature of the pair, under an n field',
    'InvoiceHighS',
    text(withHighS, { namesPayee: true }),
  ),
  cheat(
    14,
    'duplicate p',
    'two payment hashes',
    'InvoiceDuplicateField',
    invoice({ seed: 3, paymentHashes: [toHex(makeInvoice({ seed: 3 }).paymentHash), 'cd'.repeat(32)] }),
  ),
  cheat(
    15,
    'wrong-length p',
    'a payment hash of 31 bytes alone',
    'InvoiceMissingField',
    invoice({ paymentHashes: ['cd'.repeat(31)] }),
  ),
  cheat(
    16,
    'unknown even feature',
    'feature bit 100',
    'InvoiceUnknownFeature',
    invoice({ features: [8, 14, 100] }),
  ),
  cheat(
    17,
    'no secret',
    'an invoice without payment secret',
    'InvoiceMissingField',
    invoice({ hasSecret: false }),
  ),
  cheat(
    18,
    '1 MB of junk as invoice',
    'a packet of more than a megabyte',
    'PacketTooLarge',
    text(() => 'lnbcrt1'.repeat(142_858)),
  ),
  cheat(
    18,
    'as much junk as a packet holds',
    'an invoice that fills the packet up to its limit',
    'InvoiceTooLong',
    text(() => 'lnbcrt1'.repeat(142_700)),
  ),
  cheat(
    19,
    'mixed case',
    'a good invoice whose last character is a capital',
    'InvoiceMixedCase',
    text((good) => good.slice(0, -1) + good.slice(-1).toUpperCase().replace(/[0-9]/, 'Q')),
  ),
  cheat(
    20,
    'bound to another route',
    'an invoice that commits to the direct way',
    'BindingMismatch',
    proof((net) => boundTo(net, [0, 2], PRICE)),
  ),
  cheat(
    21,
    'bound to another price',
    'an invoice that commits to one msat less',
    'BindingMismatch',
    proof((net) => boundTo(net, [0, 1, 2], PRICE - 1n)),
  ),
  cheat(
    22,
    'payee past its debt cap',
    'one more payment to a payee that owes the router its share of two',
    'DebtCapReached',
    async (net) => {
      for (let n = 0; n < 2; n++) await net.inject(0, 1, net.packet([0, 1, 2]));
      await net.run(100);
      const others = net.packet([0, 1, 2, 3]);
      return { ...over(net, 0, 1, net.packet([0, 1, 2])), honest: () => net.inject(0, 1, others) };
    },
    { maxUnsettledMsat: 2n * SHARE },
  ),
];
