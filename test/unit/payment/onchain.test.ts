// OnChainSettlement (payments.md): what is refused without asking the node, what is asked, how answers are judged.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { U64_MAX } from '../../../src/core/bincode.js';
import { LIMITS } from '../../../src/core/limits.js';
import { reasonName, type ReasonName } from '../../../src/core/reasons.js';
import type { OnChainProof } from '../../../src/packet/proof.js';
import { judgeAnswer } from '../../../src/payment/answer.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { KEEP_KEY_FOREVER, onChainKey } from '../../../src/payment/keys.js';
import type { PaymentFacts } from '../../../src/payment/question.js';
import { PaymentVerifier, type VerificationResult } from '../../../src/payment/verifier.js';
import { ISSUED_AT } from '../../support/invoices.js';
import { paidPacket, testPolicy } from '../../support/paid-packets.js';

const NOW = ISSUED_AT + 60;
const PRICE = 1_310n;
const TX_HASH = new Uint8Array(32).fill(9);
const decoder = new Bolt11Decoder();

function proofOf(lies: Partial<OnChainProof> = {}): OnChainProof {
  return {
    kind: 'OnChainSettlement',
    paymentRequestId: 'request',
    txHash: TX_HASH,
    amountSats: 10n,
    timestamp: BigInt(ISSUED_AT),
    ...lies,
  };
}

function judge(lies: Partial<OnChainProof> = {}, minConfirmations = 2): VerificationResult {
  const verifier = new PaymentVerifier(testPolicy({ minConfirmations }), decoder);
  const proof = proofOf(lies);
  return verifier.verify(proof, { packet: paidPacket(proof), nowSeconds: NOW });
}

const question = present(judge().needs, 'an honest proof leaves a question');

function settled(changes: Partial<PaymentFacts> = {}): PaymentFacts {
  return {
    paymentRequestId: 'request',
    status: 'settled',
    amountSats: 10n,
    txHash: TX_HASH,
    confirmations: 2,
    ...changes,
  };
}

function reasonOf(state: PaymentFacts | null): ReasonName {
  return reasonName(judgeAnswer(question, { kind: 'paymentState', state }).reason);
}

describe('on-chain settlement > before the node is asked', () => {
  it('an honest proof leaves its request to be asked, and is not verified yet', () => {
    const replayKey = onChainKey('request', TX_HASH);
    expect(judge()).toEqual({
      verified: false,
      amountMsat: 0n,
      priceMsat: PRICE,
      payee: null,
      replayKey,
      expiresAt: 0,
      reason: 425, // PaymentUnknown: what it is refused as where nobody asks
      needs: {
        kind: 'paymentState',
        paymentRequestId: 'request',
        expects: { txHash: TX_HASH, amountSats: 10n, minConfirmations: 2 },
        payment: { amountMsat: 10_000n, priceMsat: PRICE, replayKey },
      },
    });
  });

  it.each<[string, Partial<OnChainProof>, ReasonName]>([
    ['an amount below the price', { amountSats: 1n }, 'AmountTooLow'],
    ['no amount', { amountSats: 0n }, 'AmountTooLow'],
    ['an amount that 64 bits of msat do not hold', { amountSats: U64_MAX / 1_000n + 1n }, 'AmountNotExact'],
    ['an amount of 2^64-1 sats', { amountSats: U64_MAX }, 'AmountNotExact'],
    ['no id', { paymentRequestId: '' }, 'PaymentRequestUnknown'],
    ['an id that no node writes', { paymentRequestId: 'é'.repeat(129) }, 'PaymentRequestUnknown'],
    ['a megabyte of junk as id', { paymentRequestId: 'x'.repeat(1_000_000) }, 'PaymentRequestUnknown'],
    ['a proof dated ahead', { timestamp: BigInt(NOW + 121) }, 'ProofFromFuture'],
  ])('refuses %s', (_what, lies, reason) => {
    const result = judge(lies);
    expect(reasonName(result.reason)).toBe(reason);
    expect(result).toMatchObject({ verified: false, needs: null });
  });

  it('asks for the longest id that there may be, and for the largest amount', () => {
    const paymentRequestId = 'x'.repeat(LIMITS.PAYMENT_REQUEST_ID_BYTES);
    expect(judge({ paymentRequestId, amountSats: U64_MAX / 1_000n }).needs).toMatchObject({
      paymentRequestId,
    });
  });
});

describe('on-chain settlement > what the node says', () => {
  it('a settled request is verified, and its key is kept for good', () => {
    expect(judgeAnswer(question, { kind: 'paymentState', state: settled() })).toEqual({
      verified: true,
      amountMsat: 10_000n,
      priceMsat: PRICE,
      payee: null,
      replayKey: question.payment.replayKey,
      expiresAt: KEEP_KEY_FOREVER,
      reason: 0,
      needs: null,
    });
  });

  it.each<[string, PaymentFacts | null, ReasonName]>([
    ['more confirmations than asked for', settled({ confirmations: 1_000 }), 'Accepted'],
    ["the node's own spelling", settled({ status: 'Settled' }), 'Accepted'],
    ['an id that the node does not know', null, 'PaymentRequestUnknown'],
    ['another request than was asked for', settled({ paymentRequestId: 'Request' }), 'PaymentRequestUnknown'],
    [
      'a request that waits for its payment',
      settled({ status: 'pending', txHash: null }),
      'PaymentNotSettled',
    ],
    ['a payment in the mempool', settled({ status: 'in_mempool', confirmations: 0 }), 'PaymentNotSettled'],
    ['cheat 46 > a payment that a reorganisation undid', settled({ status: 'failed' }), 'PaymentNotSettled'],
    ['cheat 46 > one confirmation lost by it', settled({ confirmations: 1 }), 'TooFewConfirmations'],
    ['confirmations that the node does not tell', settled({ confirmations: null }), 'TooFewConfirmations'],
    [
      "cheat 50 > the id of someone else's payment",
      settled({ txHash: new Uint8Array(32).fill(8) }),
      'PaymentOtherTransaction',
    ],
    ['cheat 50 > the id of a Lightning payment', settled({ txHash: null }), 'PaymentOtherTransaction'],
    ['claimed more than was paid', settled({ amountSats: 9n }), 'AmountMismatch'],
    ['claimed less than was paid', settled({ amountSats: 11n }), 'AmountMismatch'],
  ])('%s', (_what, state, reason) => {
    expect(reasonOf(state)).toBe(reason);
  });

  it('no answer, or one to another question, verifies nothing', () => {
    for (const answer of [{ kind: 'none' }, { kind: 'utxo', utxo: null }] as const) {
      const result = judgeAnswer(question, answer);
      expect(result).toMatchObject({ verified: false, amountMsat: 0n, expiresAt: 0, needs: null });
      expect(reasonName(result.reason)).toBe('PaymentUnknown');
    }
  });

  it('whatever else it says, only all of it together is good', () => {
    const facts = fc.record({
      paymentRequestId: fc.constantFrom('request', 'other'),
      status: fc.constantFrom('settled', 'pending', 'unsettled', ''),
      amountSats: fc.constantFrom(10n, 11n, 0n),
      txHash: fc.constantFrom(TX_HASH, new Uint8Array(32), new Uint8Array(0), null),
      confirmations: fc.constantFrom(null, 0, 1, 2, 3),
    });
    fc.assert(
      fc.property(facts, (state) => {
        const isGood =
          state.paymentRequestId === 'request' &&
          state.status === 'settled' &&
          state.amountSats === 10n &&
          state.txHash === TX_HASH &&
          (state.confirmations ?? 0) >= 2;
        expect(reasonOf(state) === 'Accepted').toBe(isGood);
      }),
    );
  });
});
