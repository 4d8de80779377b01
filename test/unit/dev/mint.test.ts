// Invoices of the benches and campaigns: signed for good, each for its own payment, or these would measure refusals.
import { describe, expect, it } from 'vitest';
import { InvoiceMint } from '../../../src/dev/mint.js';
import { toHex } from '../../../src/core/bytes.js';
import { sha256 } from '../../../src/core/hash.js';
import { payeeOf, signInvoice } from '../../../src/dev/bolt11.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';

const KEY = new Uint8Array(32).fill(7);

describe('minted invoices', () => {
  it('are what their pattern is, for another payment, signed by the same key', () => {
    const pattern = signInvoice(
      {
        network: 'regtest',
        amountMsat: 10_000n,
        timestamp: 1_800_000_000,
        expirySeconds: 3_600,
        paymentHash: sha256(Uint8Array.of(0)),
        paymentSecret: sha256(Uint8Array.of(1)),
        description: 'bench',
      },
      KEY,
    );
    const mint = new InvoiceMint(pattern, KEY);
    const decoder = new Bolt11Decoder();
    const expected = decoder.decode(pattern);
    // More than there are nonces, so that each of them signs.
    for (let number = 0; number < 100; number++) {
      const paymentHash = sha256(Uint8Array.of(2, number));
      const read = decoder.decode(mint.mint(paymentHash));
      expect(read.ok && toHex(read.invoice.paymentHash)).toBe(toHex(paymentHash));
      expect(read.ok && read.invoice.payee).toBe(toHex(payeeOf(KEY)));
      expect(read.ok && expected.ok && { ...read.invoice, paymentHash }).toEqual(
        expected.ok && { ...expected.invoice, paymentHash },
      );
    }
  });
});
