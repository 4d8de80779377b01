// Payments that are older than the journal (payments.md, any proof, 8): nobody knows whether they were used.
import { describe, expect, it } from 'vitest';
import { reasonName } from '../../../src/core/reasons.js';
import type { PaymentProof } from '../../../src/packet/proof.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { PaymentVerifier } from '../../../src/payment/verifier.js';
import { ISSUED_AT, makeInvoice, proofOf } from '../../support/invoices.js';
import { paidPacket, PAYEES, testPolicy } from '../../support/paid-packets.js';

const NOW = ISSUED_AT + 60;
const decoder = new Bolt11Decoder();

function judge(proof: PaymentProof, paymentsSince: number): string {
  const verifier = new PaymentVerifier(testPolicy({ paymentsSince }), decoder);
  return reasonName(verifier.verify(proof, { packet: paidPacket(proof), nowSeconds: NOW }).reason);
}

describe('journal age', () => {
  const invoice = proofOf(makeInvoice({ seed: 1, payee: PAYEES.destination }));

  it('an invoice of before the journal is refused to the second, whatever its proof says', () => {
    expect(judge(invoice, 0)).toBe('Accepted');
    expect(judge(invoice, ISSUED_AT)).toBe('Accepted');
    expect(judge(invoice, ISSUED_AT + 1)).toBe('JournalTooYoung');
    expect(judge({ ...invoice, timestamp: BigInt(NOW) }, ISSUED_AT + 1)).toBe('JournalTooYoung');
  });

  it('payments on the chain are refused as long as the journal is not whole: nobody tells their age', () => {
    const settlement: PaymentProof = {
      kind: 'OnChainSettlement',
      paymentRequestId: 'request',
      txHash: new Uint8Array(32).fill(9),
      amountSats: 10n,
      timestamp: BigInt(NOW),
    };
    expect(judge(settlement, 0)).toBe('PaymentUnknown');
    expect(judge(settlement, 1)).toBe('JournalTooYoung');
    const covenant: PaymentProof = {
      kind: 'InstantSettlement',
      covenantProof: new Uint8Array(1),
      outputIndex: 0,
      merkleProof: [],
      amountSats: 10n,
      timestamp: BigInt(NOW),
    };
    expect(judge(covenant, 0)).toBe('CtvDisabled');
    expect(judge(covenant, 1)).toBe('JournalTooYoung');
  });
});
