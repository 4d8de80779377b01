// The cheats of payments.md that the check of a proof decides, by their numbers there: 1 to 19 about the invoice,
// 24 to 29 and 34 about using one payment twice (the same key for whatever the sender can vary).
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { reasonName, type ReasonName } from '../../../src/core/reasons.js';
import type { MeshPacket } from '../../../src/packet/packet.js';
import type { LightningProof, PaymentProof } from '../../../src/packet/proof.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { PaymentVerifier, type VerificationResult } from '../../../src/payment/verifier.js';
import {
  ISSUED_AT,
  makeInvoice,
  proofOf,
  SIGNATURE_GROUPS,
  withGroups,
  withHighS,
  withNegatedPayee,
  type InvoiceOptions,
  type TestInvoice,
} from '../../support/invoices.js';
import {
  DESTINATION,
  paidPacket,
  PAYEES,
  SELF,
  SOURCE,
  testNode,
  testPolicy,
} from '../../support/paid-packets.js';

const NOW = ISSUED_AT + 60;
const verifier = new PaymentVerifier(testPolicy(), new Bolt11Decoder());

function verify(proof: PaymentProof, packet: Partial<MeshPacket> = {}, nowSeconds = NOW): VerificationResult {
  return verifier.verify(proof, { packet: paidPacket(proof, packet), nowSeconds });
}

/** An invoice of the destination, so that nothing but the cheat is wrong. */
function invoice(options: Partial<InvoiceOptions> = {}): TestInvoice {
  return makeInvoice({ seed: 40, payee: PAYEES.destination, ...options });
}

/** The proof with another text in the invoice's place. */
function withText(change: (text: string) => string, options: Partial<InvoiceOptions> = {}): LightningProof {
  const paid = invoice(options);
  return proofOf(paid, { invoice: change(paid.invoice) });
}

/** Sets the groups at a distance from the end of the data. */
function overwrite(text: string, fromEnd: number, values: readonly number[]): string {
  return withGroups(text, (groups) => {
    groups.splice(groups.length - fromEnd, values.length, ...values);
    return groups;
  });
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const day = 86_400;

describe('cheats with an invoice', () => {
  it('the payment that all of them start from is good', () => {
    expect(verify(proofOf(invoice())).verified).toBe(true);
    expect(verify(proofOf(invoice({ namesPayee: true }))).verified).toBe(true);
  });

  const cheats: readonly (readonly [string, LightningProof, ReasonName])[] = [
    ['1 self-issued by the sender', proofOf(invoice({ payee: PAYEES.source })), 'PayeeIsSource'],
    ['2 payee not accepted', proofOf(invoice({ payee: PAYEES.stranger })), 'PayeeNotAccepted'],
    [
      '3 no amount, large claim',
      proofOf(invoice({ amountMsat: null }), { amountMsats: 1n << 60n }),
      'NoAmount',
    ],
    ['4 claimed more than the invoice', proofOf(invoice(), { amountMsats: 10_001n }), 'AmountMismatch'],
    ['5 claimed less than the price', proofOf(invoice({ amountMsat: 1_309n })), 'AmountTooLow'],
    [
      '6 expired, proof claims later',
      proofOf(invoice({ timestamp: NOW - 3_601 }), { expiresAt: BigInt(NOW + day) }),
      'InvoiceExpired',
    ],
    [
      '7 issued in the future',
      proofOf(invoice({ timestamp: NOW + 121 }), { timestamp: BigInt(NOW) }),
      'InvoiceFromFuture',
    ],
    ['8 wrong network', proofOf(invoice({ network: 'testnet' })), 'WrongNetwork'],
    ['9 wrong preimage', proofOf(invoice(), { preimage: new Uint8Array(32) }), 'WrongPreimage'],
    [
      '10 preimage of another invoice',
      proofOf(invoice(), { preimage: invoice({ seed: 41 }).preimage }),
      'WrongPreimage',
    ],
    [
      '11 broken signature with a right checksum',
      withText((text) => overwrite(text, SIGNATURE_GROUPS, zeros(SIGNATURE_GROUPS))),
      'InvoiceSignature',
    ],
    // The n field is the last one: its 53 groups stand right before the signature.
    ['12 n not matching', withText(withNegatedPayee, { namesPayee: true }), 'InvoicePayeeMismatch'],
    ['13 high-S with n', withText(withHighS, { namesPayee: true }), 'InvoiceHighS'],
    [
      '14 duplicate p',
      proofOf(invoice({ paymentHashes: [toHex(invoice().paymentHash), 'cd'.repeat(32)] })),
      'InvoiceDuplicateField',
    ],
    [
      '15 wrong-length p',
      proofOf(invoice({ paymentHashes: [toHex(invoice().paymentHash).slice(2)] })),
      'InvoiceMissingField',
    ],
    ['16 unknown even feature', proofOf(invoice({ features: [8, 14, 100] })), 'InvoiceUnknownFeature'],
    ['17 no secret', proofOf(invoice({ hasSecret: false })), 'InvoiceMissingField'],
    [
      '18 1 MB of junk as invoice',
      proofOf(invoice(), { invoice: 'lnbcrt1'.repeat(142_857) }),
      'InvoiceTooLong',
    ],
    [
      '19 mixed case',
      withText((text) => text.slice(0, -1) + text.slice(-1).toUpperCase().replace(/[0-9]/, 'Q')),
      'InvoiceMixedCase',
    ],
  ];

  it.each(cheats)('cheat %s', (_name, proof, reason) => {
    const result = verify(proof);
    expect(result).toMatchObject({ verified: false, amountMsat: 0n, expiresAt: 0 });
    expect(reasonName(result.reason)).toBe(reason);
  });

  it('cheat 11, with the signature of another invoice: whoever it recovers to is no accepted payee', () => {
    const other = invoice({ seed: 42 }).invoice;
    const signature = other.slice(-SIGNATURE_GROUPS - 6, -6);
    const proof = withText((text) =>
      withGroups(`${text.slice(0, -SIGNATURE_GROUPS - 6)}${signature}${text.slice(-6)}`, (groups) => groups),
    );
    expect(['PayeeNotAccepted', 'InvoiceSignature']).toContain(reasonName(verify(proof).reason));
  });

  it('cheat 13 without n is no cheat: the key is recovered from either signature', () => {
    expect(verify(withText(withHighS)).verified).toBe(true);
  });

  it('cheat 18 costs next to nothing: 100 tries take less than a second', () => {
    const proof = proofOf(invoice(), { invoice: 'x'.repeat(LIMITS.PACKET_BYTES) });
    const start = performance.now();
    for (let i = 0; i < 100; i++) expect(reasonName(verify(proof).reason)).toBe('InvoiceTooLong');
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});

describe('cheats by reuse: the payment keeps its key', () => {
  const paid = invoice();
  const { replayKey } = verify(proofOf(paid));

  /** The same payment in another dress: verified or not, it is known by the same key. */
  function expectSameKey(proof: LightningProof, packet: Partial<MeshPacket> = {}): void {
    const result = verify(proof, packet);
    expect(result.verified).toBe(true);
    expect(result.replayKey).toEqual(replayKey);
  }

  it('cheat 24 timestamp changed', () => {
    expectSameKey(proofOf(paid, { timestamp: BigInt(NOW - 1) }));
    expectSameKey(proofOf(paid, { timestamp: 0n, expiresAt: BigInt(NOW + 1) }));
    expectSameKey(proofOf(paid), { timestamp: BigInt(NOW + 5) });
  });

  it('cheat 25 sequence raised', () => {
    expectSameKey(proofOf(paid), { sequence: 2n });
    expectSameKey(proofOf(paid), { sequence: (1n << 64n) - 1n });
  });

  it('cheat 26 other payload', () => {
    expectSameKey(proofOf(paid), { payload: utf8('another message') });
    expectSameKey(proofOf(paid), { metadata: { protocol: 'chat', fields: new Map([['a', 'b']]) } });
  });

  it('cheat 27 other destination', () => {
    const treasury = invoice({ payee: PAYEES.treasury });
    const key = verify(proofOf(treasury)).replayKey;
    const elsewhere = testNode(8);
    const again = verify(proofOf(treasury), { destination: elsewhere, route: [SOURCE, SELF, elsewhere] });
    expect(again).toMatchObject({ verified: true, replayKey: key });
  });

  it('cheat 28 other route', () => {
    expectSameKey(proofOf(paid), { route: [SOURCE, SELF, DESTINATION] });
    expectSameKey(proofOf(paid), { route: [SOURCE, SELF, testNode(6), testNode(7), DESTINATION] });
  });

  it('cheat 29 wrapped in another variant', () => {
    const timestamp = BigInt(ISSUED_AT);
    const onChain: PaymentProof = {
      kind: 'OnChainSettlement',
      paymentRequestId: paid.invoice,
      txHash: paid.paymentHash,
      amountSats: 10n,
      timestamp,
    };
    const instant: PaymentProof = {
      kind: 'InstantSettlement',
      covenantProof: utf8(paid.invoice),
      outputIndex: 0,
      merkleProof: null,
      amountSats: 10n,
      timestamp,
    };
    expect(reasonName(verify(onChain).reason)).toBe('PaymentRequestUnknown');
    expect(reasonName(verify(instant).reason)).toBe('CtvDisabled');
  });

  it('cheat 29 in another spelling: upper case, or the other signature of the pair', () => {
    expectSameKey(proofOf(paid, { invoice: paid.invoice.toUpperCase() }));
    expectSameKey(proofOf(paid, { invoice: withHighS(paid.invoice) }));
  });

  it('cheat 29 in another invoice for the same payment hash', () => {
    expectSameKey(proofOf(invoice({ amountMsat: 20_000n, description: 'again' })));
  });

  it('cheat 34 after 24 h with a longer invoice: the key outlives the invoice', () => {
    const long = invoice({ expirySeconds: 30 * day });
    const { expiresAt } = verify(proofOf(long));
    const lastSecond = ISSUED_AT + 30 * day;
    expect(verify(proofOf(long), {}, lastSecond).verified).toBe(true);
    expect(verify(proofOf(long, { expiresAt: 1n << 60n }), {}, lastSecond + 1).verified).toBe(false);
    expect(expiresAt).toBeGreaterThan(lastSecond);
  });
});
