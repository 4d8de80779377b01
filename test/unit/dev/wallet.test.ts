import bolt11 from 'bolt11';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { MeshError } from '../../../src/core/errors.js';
import { toHex } from '../../../src/core/bytes.js';
import { DevWallet, InvoiceBook, type DevInvoice } from '../../../src/dev/wallet.js';

const REGTEST = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] };

function newWallets(): {
  clock: VirtualClock;
  issuer: DevWallet;
  payer: DevWallet;
  created: DevInvoice[];
  paid: bigint[];
} {
  const clock = new VirtualClock();
  const book = new InvoiceBook();
  const created: DevInvoice[] = [];
  const paid: bigint[] = [];
  const observer = {
    onInvoiceCreated: (invoice: DevInvoice) => created.push(invoice),
    onInvoicePaid: (_invoice: DevInvoice, amountMsat: bigint) => paid.push(amountMsat),
  };
  return {
    clock,
    issuer: new DevWallet('1/node-1', clock, book, observer),
    payer: new DevWallet('1/node-2', clock, book, observer),
    created,
    paid,
  };
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof MeshError && error.code === 'WALLET_REFUSED') return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('development wallet', () => {
  test('an invoice decodes with npm bolt11 to what was asked, signed by the wallet', () => {
    const { issuer, clock } = newWallets();
    const { invoice, paymentHash, expiresAt } = issuer.createInvoice({
      amountMsat: 123_456_789_001n,
      description: 'two hops ✓',
      expirySeconds: 77,
    });
    const decoded = bolt11.decode(invoice, REGTEST);
    expect(decoded.prefix).toBe('lnbcrt1234567890010p');
    expect(decoded.millisatoshis).toBe('123456789001');
    expect(decoded.payeeNodeKey).toBe(issuer.payee);
    expect(decoded.timestamp).toBe(clock.unixSeconds());
    expect(decoded.timeExpireDate).toBe(expiresAt);
    expect(decoded.tagsObject).toMatchObject({
      payment_hash: toHex(paymentHash),
      description: 'two hops ✓',
      expire_time: 77,
    });
    expect(decoded.tagsObject.payment_secret).toMatch(/^[0-9a-f]{64}$/);
    expect(decoded.tagsObject.feature_bits).toMatchObject({
      var_onion_optin: { required: true },
      payment_secret: { required: true },
    });
  });

  test('an invoice can leave the amount out, commit to a hash, and be of another network or time', () => {
    const { issuer } = newWallets();
    const descriptionHash = new Uint8Array(32).fill(7);
    const { invoice } = issuer.createInvoice({
      amountMsat: null,
      descriptionHash,
      network: 'mainnet',
      timestamp: 1_700_000_000,
    });
    const decoded = bolt11.decode(invoice);
    expect(decoded.millisatoshis).toBeNull();
    expect(decoded.timestamp).toBe(1_700_000_000);
    expect(decoded.tagsObject.purpose_commit_hash).toBe(toHex(descriptionHash));
    expect(decoded.tagsObject.description).toBeUndefined();
  });

  test('paying reveals the preimage of the payment hash, and the issuer hears of both', () => {
    const { issuer, payer, created, paid } = newWallets();
    const { invoice, paymentHash, paymentId } = issuer.createInvoice({ amountMsat: 1_500n });
    const payment = payer.pay(invoice.toUpperCase());
    expect(createHash('sha256').update(payment.preimage).digest('hex')).toBe(toHex(paymentHash));
    expect(payment.payee).toBe(issuer.payee);
    expect(created.map((one) => one.paymentId)).toEqual([paymentId]);
    expect(paid).toEqual([1_500n]);
    expect(issuer.find(paymentId)?.paidMsat).toBe(1_500n);
  });

  test('it refuses to pay twice, what it does not know, what expired, and another amount', () => {
    const { issuer, payer, clock } = newWallets();
    const once = issuer.createInvoice({ amountMsat: 1_000n }).invoice;
    payer.pay(once);
    expect(refusal(() => payer.pay(once))).toMatch(/paid already/);

    const elsewhere = newWallets().issuer.createInvoice({ amountMsat: 5n }).invoice;
    expect(refusal(() => payer.pay(elsewhere))).toMatch(/no wallet of this network/);
    expect(refusal(() => payer.pay('lnbcrt1'))).toMatch(/no wallet of this network/);

    const short = issuer.createInvoice({ amountMsat: 1_000n, expirySeconds: 10 }).invoice;
    expect(refusal(() => payer.pay(short, 999n))).toMatch(/another amount/);
    clock.advance(10_000);
    expect(refusal(() => payer.pay(short))).toMatch(/expired/);

    const open = issuer.createInvoice({ amountMsat: null }).invoice;
    expect(refusal(() => payer.pay(open))).toMatch(/how much/);
    expect(payer.pay(open, 42n).amountMsat).toBe(42n);
  });

  test('it refuses to issue what no invoice can hold', () => {
    const { issuer } = newWallets();
    refusal(() => issuer.createInvoice({ amountMsat: 0n }));
    refusal(() => issuer.createInvoice({ amountMsat: 2_100_000_000_000_000_001n }));
    refusal(() => issuer.createInvoice({ amountMsat: 1n, description: 'x'.repeat(640) }));
    refusal(() => issuer.createInvoice({ amountMsat: 1n, expirySeconds: -1 }));
    refusal(() => issuer.createInvoice({ amountMsat: 1n, timestamp: 2 ** 35 }));
    refusal(() => issuer.createInvoice({ amountMsat: 1n, descriptionHash: new Uint8Array(31) }));
  });

  test('keys, hashes and preimages follow from the seed', () => {
    const make = (): { invoice: string; preimage: string; payee: string } => {
      const { issuer, payer } = newWallets();
      const { invoice } = issuer.createInvoice({ amountMsat: 1n });
      return { invoice, preimage: toHex(payer.pay(invoice).preimage), payee: issuer.payee };
    };
    expect(make()).toEqual(make());
    const { issuer, payer } = newWallets();
    expect(issuer.payee).not.toBe(payer.payee);
  });
});
