// The rules of a payment that is honest, one by one, and the order of the checks (payments.md).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../../src/core/bincode.js';
import { nodeKey } from '../../../src/core/ids.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { reasonName, type ReasonName } from '../../../src/core/reasons.js';
import type { MeshPacket } from '../../../src/packet/packet.js';
import type { LightningProof, PaymentProof } from '../../../src/packet/proof.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { PaymentVerifier, type VerificationResult } from '../../../src/payment/verifier.js';
import { ISSUED_AT, makeInvoice, proofOf, type InvoiceOptions } from '../../support/invoices.js';
import {
  DESTINATION,
  paidPacket,
  PAYEES,
  SELF,
  SOURCE,
  testNode,
  testPolicy,
} from '../../support/paid-packets.js';

/** Price of paidPacket under testPolicy: 1,000 + 3 x 100 + 1 x 10. */
const PRICE = 1_310n;
const NOW = ISSUED_AT + 60;
const decoder = new Bolt11Decoder();

interface Case {
  readonly invoice?: Partial<InvoiceOptions>;
  readonly proof?: Partial<LightningProof>;
  readonly packet?: Partial<MeshPacket>;
  readonly policy?: Partial<JudgePolicy>;
  readonly now?: number;
}

/** Judges an honest payment to the destination, with what is different in the case. */
function judge(change: Case = {}): VerificationResult {
  const paid = makeInvoice({ seed: 1, payee: PAYEES.destination, ...change.invoice });
  return judgeProof(proofOf(paid, change.proof), change);
}

function judgeProof(proof: PaymentProof, change: Case = {}): VerificationResult {
  const verifier = new PaymentVerifier(testPolicy(change.policy), decoder);
  return verifier.verify(proof, { packet: paidPacket(proof, change.packet), nowSeconds: change.now ?? NOW });
}

function reasonFor(change: Case): ReasonName {
  return reasonName(judge(change).reason);
}

describe('payment verifier', () => {
  it('accepts an honest payment, with all that the caller needs to claim and account for it', () => {
    const paid = makeInvoice({ seed: 1, payee: PAYEES.destination });
    expect(judge()).toEqual({
      verified: true,
      amountMsat: 10_000n,
      priceMsat: PRICE,
      payee: PAYEES.destination.publicKey,
      replayKey: paid.paymentHash,
      expiresAt: NOW + 86_400,
      reason: 0,
      needs: null,
    });
  });

  it('remembers the key of a longer invoice until 2 h after its expiry', () => {
    expect(judge({ invoice: { expirySeconds: 604_800 } }).expiresAt).toBe(ISSUED_AT + 604_800 + 7_200);
  });

  it('names no amount and no life of a key where it refuses', () => {
    const result = judge({ packet: { payload: new Uint8Array(1_000_000) } });
    expect(result).toMatchObject({
      verified: false,
      amountMsat: 0n,
      expiresAt: 0,
      payee: PAYEES.destination.publicKey,
    });
    expect(result.replayKey).toHaveLength(32);
  });

  it.each<[string, Case, ReasonName]>([
    ['a proof dated 120 s ahead', { proof: { timestamp: BigInt(NOW + 120) } }, 'Accepted'],
    ['a proof dated 121 s ahead', { proof: { timestamp: BigInt(NOW + 121) } }, 'ProofFromFuture'],
    ['a proof dated 2^64-1', { proof: { timestamp: U64_MAX } }, 'ProofFromFuture'],
    ['a proof dated at the start of time', { proof: { timestamp: 0n } }, 'Accepted'],
    ['a claim that ends now', { proof: { expiresAt: BigInt(NOW) } }, 'Accepted'],
    ['a claim that ended: it may only shorten', { proof: { expiresAt: BigInt(NOW - 1) } }, 'ProofExpired'],
    ['an invoice in its last second', { now: ISSUED_AT + 3_600 }, 'Accepted'],
    [
      'an invoice issued 120 s ahead',
      { invoice: { timestamp: NOW + 120 }, proof: { timestamp: 0n } },
      'Accepted',
    ],
    ['exactly the price', { invoice: { amountMsat: PRICE } }, 'Accepted'],
    ['one msat below the price', { invoice: { amountMsat: PRICE - 1n } }, 'AmountTooLow'],
    [
      'a payload one KiB dearer',
      { invoice: { amountMsat: PRICE }, packet: { payload: new Uint8Array(1_025) } },
      'AmountTooLow',
    ],
    [
      'a route one hop dearer',
      {
        invoice: { amountMsat: PRICE },
        packet: { route: [SOURCE, SELF, testNode(5), testNode(6), DESTINATION] },
      },
      'AmountTooLow',
    ],
  ])('judges %s', (_what, change, reason) => {
    expect(reasonFor(change)).toBe(reason);
  });

  it('compares amounts as whole numbers beyond 2^53', () => {
    const amountMsat = 2_000_000_000_000_000_001n;
    expect(reasonFor({ invoice: { amountMsat } })).toBe('Accepted');
    expect(reasonFor({ invoice: { amountMsat }, proof: { amountMsats: amountMsat + 1n } })).toBe(
      'AmountMismatch',
    );
    expect(
      reasonFor({
        invoice: { amountMsat },
        policy: { fees: { ...testPolicy().fees, baseMsat: amountMsat } },
      }),
    ).toBe('AmountTooLow');
  });
});

describe('payees', () => {
  const own = nodeKey(SELF);

  it.each<[string, Case, ReasonName]>([
    ["this node's own key", { invoice: { payee: PAYEES.self } }, 'Accepted'],
    ['the key that the destination declared', { invoice: { payee: PAYEES.destination } }, 'Accepted'],
    ['a key from the configuration', { invoice: { payee: PAYEES.treasury } }, 'Accepted'],
    [
      'a key from the configuration in upper case',
      {
        invoice: { payee: PAYEES.treasury },
        policy: { acceptedPayees: [PAYEES.treasury.publicKey.toUpperCase()] },
      },
      'Accepted',
    ],
    [
      'a key that another node declared',
      { invoice: { payee: PAYEES.destination }, packet: { destination: testNode(9) } },
      'PayeeNotAccepted',
    ],
    [
      "the source's key, even from the configuration",
      { invoice: { payee: PAYEES.source }, policy: { acceptedPayees: [PAYEES.source.publicKey] } },
      'PayeeIsSource',
    ],
    [
      "the source's key, even where the destination declares it too",
      {
        invoice: { payee: PAYEES.source },
        policy: {
          declaredPayees: [SOURCE, DESTINATION].map(
            (node) => [nodeKey(node), PAYEES.source.publicKey] as const,
          ),
        },
      },
      'PayeeIsSource',
    ],
    [
      "this node's key, when this node is the source",
      { invoice: { payee: PAYEES.self }, packet: { source: SELF } },
      'PayeeIsSource',
    ],
    [
      'one of several keys that the destination declared',
      {
        invoice: { payee: PAYEES.stranger },
        policy: {
          declaredPayees: [PAYEES.destination, PAYEES.stranger].map(
            (payee) => [nodeKey(DESTINATION), payee.publicKey] as const,
          ),
        },
      },
      'Accepted',
    ],
    [
      'no key of a node that has none',
      { invoice: { payee: PAYEES.stranger }, policy: { ownPayee: null, self: own } },
      'PayeeNotAccepted',
    ],
  ])('%s', (_what, change, reason) => {
    expect(reasonFor(change)).toBe(reason);
  });
});

describe('order of the checks', () => {
  it('a proof with every fault is refused for the first, and for the next as each is mended', () => {
    const longAgo = NOW - 10_000;
    const other = makeInvoice({ seed: 77 });
    let change: Case = {
      invoice: { network: 'mainnet', timestamp: longAgo, amountMsat: null, payee: PAYEES.stranger },
      proof: {
        timestamp: U64_MAX,
        expiresAt: 0n,
        preimage: other.preimage,
        invoice: 'no invoice',
        amountMsats: 7n,
      },
    };
    const { invoice: _broken, ...restOfProof } = { ...change.proof };
    const steps: [ReasonName, Case][] = [
      ['ProofFromFuture', { proof: { ...change.proof, timestamp: 0n } }],
      ['ProofExpired', { proof: { ...change.proof, timestamp: 0n, expiresAt: U64_MAX } }],
      ['InvoiceMalformed', { proof: { ...restOfProof, timestamp: 0n, expiresAt: U64_MAX } }],
      ['WrongNetwork', { invoice: { ...change.invoice, network: 'regtest' } }],
      ['WrongPreimage', { proof: { timestamp: 0n, expiresAt: U64_MAX, amountMsats: 7n } }],
      ['InvoiceExpired', { invoice: { timestamp: NOW + 1_000, amountMsat: null, payee: PAYEES.stranger } }],
      ['InvoiceFromFuture', { invoice: { amountMsat: null, payee: PAYEES.stranger } }],
      ['NoAmount', { invoice: { amountMsat: 9n, payee: PAYEES.stranger } }],
      ['AmountMismatch', { proof: { timestamp: 0n, expiresAt: U64_MAX } }],
      ['AmountTooLow', { invoice: { payee: PAYEES.stranger } }],
      ['PayeeNotAccepted', { invoice: {} }],
      ['Accepted', {}],
    ];
    for (const [reason, mended] of steps) {
      expect(reasonFor(change)).toBe(reason);
      change = { ...change, ...mended };
    }
  });
});

describe('hostile proofs', () => {
  it('give a verdict, never an exception, and never a payment', () => {
    const u64 = fc.bigInt({ min: 0n, max: U64_MAX });
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const proofs: fc.Arbitrary<PaymentProof> = fc.oneof(
      fc.record({
        kind: fc.constant('Lightning' as const),
        invoice: fc.oneof(fc.string({ unit: 'binary' }), fc.constant(makeInvoice({ seed: 3 }).invoice)),
        preimage: hash,
        amountMsats: u64,
        timestamp: fc.oneof(u64, fc.constant(BigInt(NOW))),
        expiresAt: u64,
      }),
      fc.record({
        kind: fc.constant('OnChainSettlement' as const),
        paymentRequestId: fc.string({ unit: 'binary' }),
        txHash: hash,
        amountSats: u64,
        timestamp: u64,
      }),
      fc.record({
        kind: fc.constant('InstantSettlement' as const),
        covenantProof: fc.uint8Array({ maxLength: 300 }),
        outputIndex: fc.nat({ max: 0xffff_ffff }),
        merkleProof: fc.option(fc.array(hash, { maxLength: 3 })),
        amountSats: u64,
        timestamp: u64,
      }),
    );
    fc.assert(
      fc.property(proofs, (proof) => {
        const result = judgeProof(proof);
        expect(result.verified).toBe(false);
        expect(reasonName(result.reason)).not.toBe('Accepted');
      }),
      { numRuns: 300 },
    );
  });
});
