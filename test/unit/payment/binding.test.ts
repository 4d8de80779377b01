// Invoices that commit to their use (payments.md, Lightning, Binding), and the cheats 20 and 21 against them.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex, utf8 } from '../../../src/core/bytes.js';
import type { BindingRule, JudgePolicy } from '../../../src/core/policy.js';
import { reasonName } from '../../../src/core/reasons.js';
import type { MeshPacket } from '../../../src/packet/packet.js';
import {
  bindingHash,
  isBoundInvoice,
  NO_QUOTE,
  QUOTE_ID_FIELD,
  type InvoiceUse,
} from '../../../src/payment/binding.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { PaymentVerifier } from '../../../src/payment/verifier.js';
import { ISSUED_AT, makeInvoice, proofOf } from '../../support/invoices.js';
import {
  DESTINATION,
  paidPacket,
  PAYEES,
  ROUTER,
  SELF,
  SOURCE,
  testNode,
  testPolicy,
} from '../../support/paid-packets.js';

const ROUTE = [SOURCE, SELF, ROUTER, DESTINATION];
/** Of the packet under the policy. */
const PRICE = 1_310n;
const PAID = 10_000n;
const QUOTE = new Uint8Array(16).fill(0xab);

const USE: InvoiceUse = { network: 'regtest', route: ROUTE, priceMsat: PRICE, quoteId: QUOTE };

const quoted = (quoteText: string): Partial<MeshPacket> => ({
  metadata: { protocol: null, fields: new Map([[QUOTE_ID_FIELD, quoteText]]) },
});
const QUOTED = quoted(toHex(QUOTE));

/** What becomes of a payment whose invoice is bound to a use, or to none. */
function judged(
  use: InvoiceUse | null,
  changes: Partial<MeshPacket> = QUOTED,
  policy: Partial<JudgePolicy> = {},
): string {
  const descriptionHash = use === null ? {} : { descriptionHash: bindingHash(use) };
  const paid = makeInvoice({ seed: 70, payee: PAYEES.destination, amountMsat: PAID, ...descriptionHash });
  const proof = proofOf(paid);
  const verifier = new PaymentVerifier(testPolicy(policy), new Bolt11Decoder());
  const packet = paidPacket(proof, changes);
  return reasonName(verifier.verify(proof, { packet, nowSeconds: ISSUED_AT + 60 }).reason);
}

describe('binding > the hash', () => {
  it('is SHA-256 over domain, network, count, ids, price and quote id, byte for byte', () => {
    const price = new Uint8Array(8);
    new DataView(price.buffer).setBigUint64(0, PRICE, true);
    const written = concatBytes(utf8('blvm-mesh/1bcrt'), Uint8Array.of(4), ...ROUTE, price, QUOTE);
    expect(toHex(bindingHash(USE))).toBe(createHash('sha256').update(written).digest('hex'));
  });

  it('differs with each part of the use', () => {
    const uses: readonly InvoiceUse[] = [
      USE,
      { ...USE, network: 'mainnet' },
      { ...USE, network: 'signet' },
      { ...USE, network: 'testnet' },
      { ...USE, route: ROUTE.slice(1) },
      { ...USE, route: [...ROUTE].reverse() },
      { ...USE, priceMsat: PRICE + 1n },
      { ...USE, priceMsat: (1n << 64n) - 1n },
      { ...USE, quoteId: NO_QUOTE },
    ];
    expect(new Set(uses.map((use) => toHex(bindingHash(use)))).size).toBe(uses.length);
  });
});

describe('binding > a payment', () => {
  it.each<BindingRule>(['payee', 'strict'])('passes where its invoice commits to its use (%s)', (binding) => {
    expect(judged(USE, QUOTED, { binding })).toBe('Accepted');
    expect(judged({ ...USE, quoteId: NO_QUOTE }, {}, { binding })).toBe('Accepted');
    // What was paid above the price here may have been agreed on, since other nodes may ask for it.
    expect(judged({ ...USE, priceMsat: PAID }, QUOTED, { binding })).toBe('Accepted');
    expect(judged(USE, quoted(toHex(QUOTE).toUpperCase()), { binding })).toBe('Accepted');
  });

  it('needs no commitment under "payee", and one under "strict"', () => {
    expect(judged(null, {})).toBe('Accepted');
    expect(judged(null, {}, { binding: 'strict' })).toBe('BindingRequired');
  });

  it.each<readonly [string, InvoiceUse | null, Partial<MeshPacket>]>([
    ['20 bound to another route', { ...USE, route: [SOURCE, SELF, DESTINATION] }, QUOTED],
    ['20 bound to another route, the quote left out', { ...USE, route: [SOURCE, SELF, DESTINATION] }, {}],
    ['20 bound to a route of another source', { ...USE, route: [testNode(9), ...ROUTE.slice(1)] }, QUOTED],
    ['20 bound to this route, used on another', USE, { ...QUOTED, route: [SOURCE, SELF, DESTINATION] }],
    ['20 bound on another network', { ...USE, network: 'mainnet' }, QUOTED],
    ['21 bound to another price', { ...USE, priceMsat: PRICE - 1n }, QUOTED],
    [
      '21 bound to a price that only a smaller packet has',
      USE,
      { ...QUOTED, payload: new Uint8Array(1_025) },
    ],
    ['21 bound to another quote', USE, quoted('cd'.repeat(16))],
    ['21 bound to a quote that the packet does not name', USE, {}],
    ['21 a quote that is no hex', USE, quoted('zz'.repeat(16))],
    ['21 a quote that is too short', USE, quoted('ab'.repeat(15))],
    ['21 a quote named, and an invoice of none', null, QUOTED],
  ])('cheat %s', (_name, use, changes) => {
    for (const binding of ['payee', 'strict'] as const) {
      expect(judged(use, changes, { binding })).toBe('BindingMismatch');
    }
  });
});

describe('binding > whether an invoice is bound', () => {
  it('is seen from its fields alone', () => {
    const descriptionHash = bindingHash(USE);
    for (const namesPayee of [false, true]) {
      for (const amountMsat of [null, 1n, PAID]) {
        const bound = makeInvoice({ seed: 71, namesPayee, amountMsat, descriptionHash }).invoice;
        expect(isBoundInvoice(bound)).toBe(true);
        expect(isBoundInvoice(bound.toUpperCase())).toBe(true);
        expect(isBoundInvoice(makeInvoice({ seed: 71, namesPayee, amountMsat }).invoice)).toBe(false);
      }
    }
  });

  it('is asked of any text without harm', () => {
    for (const text of [
      '',
      '1',
      'lnbcrt1',
      'x'.repeat(7_000),
      `lnbcrt1${'q'.repeat(7_000)}`,
      'hp5'.repeat(90),
    ]) {
      expect(isBoundInvoice(text)).toBe(false);
    }
  });
});
