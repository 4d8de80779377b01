// A short crash campaign: three kills under load. The long one is `npm run stress:crash -- --rounds 1000`.
import { describe, expect, it } from 'vitest';
import type { LightningProof } from '../../src/packet/proof.js';
import type { Durable } from '../../src/stress/audit.js';
import { runCrashCampaign } from '../../src/stress/crash.js';
import { Payments } from '../../src/stress/payments.js';

describe('crash campaign', () => {
  it('of three rounds loses no key, accepts nothing twice and conserves the ledger (cheats 32, 33)', async () => {
    const seen: number[] = [];
    const result = await runCrashCampaign({ rounds: 3, seed: 7, onProgress: (round) => seen.push(round) });
    expect(result.violations).toEqual([]);
    expect(seen).toEqual([1, 2, 3]);
    expect(result.kills).toBeGreaterThanOrEqual(6);
    expect(result.payments).toBeGreaterThan(10);
    expect(result.keys).toBeGreaterThan(0);
    expect(result.replays).toBeGreaterThan(0);
  }, 60_000);
});

describe('crash campaign › tells', () => {
  const proof = (preimage: number): LightningProof => ({
    kind: 'Lightning',
    invoice: '',
    preimage: new Uint8Array(32).fill(preimage),
    amountMsats: 1_000n,
    timestamp: 0n,
    expiresAt: 0n,
  });
  const durable = (paid: Readonly<Record<string, bigint>>, doubled: readonly string[] = []): Durable => {
    const paidInMsat = Object.values(paid).reduce((sum, msat) => sum + msat, 0n);
    return {
      paidMsat: new Map(Object.entries(paid)),
      doubled,
      audit: {
        conserved: doubled.length === 0,
        postings: 1,
        logged: 1,
        paidInMsat,
        owedMsat: paidInMsat,
        duplicates: doubled.length,
        unbalanced: 0,
        unreadable: 0,
        mismatchedAccounts: [],
      },
    };
  };

  it('a key that was lost', () => {
    const payments = new Payments();
    payments.add(proof(1), [0, 1], new Uint8Array(3)).acceptedAt.add(1);
    expect(payments.check(1, durable({}))).toEqual([]);
    expect(payments.violations).toEqual([expect.stringContaining('is not in its journal')]);
  });

  it('a posting that was lost, doubled, changed or made up', () => {
    const payments = new Payments();
    const payment = payments.add(proof(1), [0, 1], new Uint8Array(3));
    expect(payments.check(1, durable({ [payment.key]: 1_000n }))).toEqual([payment]);
    expect(payments.violations).toEqual([]);
    payments.check(1, durable({ [payment.key]: 1_000n }, [payment.key]));
    expect(payments.violations.join()).toContain('two postings');
    payments.check(1, durable({ [payment.key]: 999n }));
    expect(payments.violations.join()).toContain('is posted with 999 msat');
    payments.check(1, durable({ [payment.key]: 1_000n, ['00'.repeat(32)]: 1n }));
    expect(payments.violations.join()).toContain('which nobody paid');
    payments.violations.length = 0;
    payments.check(1, durable({}));
    expect(payments.violations.join()).toContain('is not in its journal');
  });

  it('a packet that was delivered twice, or to nobody that it was for', () => {
    const payments = new Payments();
    const payment = payments.add(proof(1), [0, 1, 2], new Uint8Array(3));
    payments.delivered(2, payment.payload);
    expect(payments.violations).toEqual([]);
    expect([...payment.acceptedAt]).toEqual([1, 2]);
    payments.delivered(2, payment.payload);
    expect(payments.violations).toEqual([expect.stringContaining('delivered 2 times')]);
    payments.delivered(1, payment.payload);
    payments.delivered(2, new Uint8Array(2));
    expect(payments.violations).toHaveLength(3);
  });
});
