// Bounded trust (payments.md, Lightning): cheat 22, a payee past its debt cap, at the check of a proof.
import { describe, expect, it } from 'vitest';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { reasonName } from '../../../src/core/reasons.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { isPastCap } from '../../../src/payment/debt.js';
import { PaymentVerifier } from '../../../src/payment/verifier.js';
import { ISSUED_AT, makeInvoice, proofOf, type TestPayee } from '../../support/invoices.js';
import { paidPacket, PAYEES, testPolicy } from '../../support/paid-packets.js';

function judged(payee: TestPayee, policy: Partial<JudgePolicy>): string {
  const proof = proofOf(makeInvoice({ seed: 80, payee }));
  const verifier = new PaymentVerifier(testPolicy(policy), new Bolt11Decoder());
  return reasonName(verifier.verify(proof, { packet: paidPacket(proof), nowSeconds: ISSUED_AT }).reason);
}

describe('debt cap', () => {
  it('is reached at the cap; 0 is none', () => {
    expect([isPastCap(99n, 100n), isPastCap(100n, 100n), isPastCap(101n, 100n)]).toEqual([false, true, true]);
    expect(isPastCap(1n << 70n, 0n)).toBe(false);
  });

  it('cheat 22 payee past its debt cap', () => {
    const cappedPayees = [PAYEES.destination.publicKey.toUpperCase()];
    expect(judged(PAYEES.destination, { cappedPayees })).toBe('DebtCapReached');
  });

  it('closes the capped payee alone, and says nothing of payees that were never accepted', () => {
    const cappedPayees = [PAYEES.destination.publicKey, PAYEES.stranger.publicKey, PAYEES.source.publicKey];
    expect(judged(PAYEES.treasury, { cappedPayees })).toBe('Accepted');
    expect(judged(PAYEES.self, { cappedPayees })).toBe('Accepted');
    expect(judged(PAYEES.stranger, { cappedPayees })).toBe('PayeeNotAccepted');
    expect(judged(PAYEES.source, { cappedPayees })).toBe('PayeeIsSource');
  });
});
