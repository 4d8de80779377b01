// Replay keys and how long they are remembered (payments.md, any proof, 4 and 8).
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instantKey, keyLife, lightningKey, onChainKey } from '../../../src/payment/keys.js';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('replay keys', () => {
  it('are the payment hash itself for Lightning', () => {
    fc.assert(
      fc.property(bytes32, (hash) => {
        expect(lightningKey(hash)).toEqual(hash);
      }),
    );
  });

  it('are SHA-256("blvm-mesh/onchain" || payment_request_id || tx_hash) on chain', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }).filter(isWellFormed), bytes32, (id, txHash) => {
        const expected = createHash('sha256').update('blvm-mesh/onchain').update(id, 'utf8').update(txHash);
        expect(onChainKey(id, txHash)).toEqual(new Uint8Array(expected.digest()));
      }),
    );
  });

  it('are SHA-256("blvm-mesh/ctv" || txid || vout) for a covenant, vout as 4 bytes little endian', () => {
    fc.assert(
      fc.property(bytes32, fc.nat({ max: 0xffff_ffff }), (txid, vout) => {
        const index = Buffer.alloc(4);
        index.writeUInt32LE(vout);
        const expected = createHash('sha256').update('blvm-mesh/ctv').update(txid).update(index);
        expect(instantKey(txid, vout)).toEqual(new Uint8Array(expected.digest()));
      }),
    );
  });
});

describe('life of a replay key', () => {
  const now = 1_800_000_000;
  it.each([
    ['24 h for a payment that expires soon', now + 3_600, now + 86_400],
    ['24 h for one that expires 22 h from now', now + 79_200, now + 86_400],
    ['2 h beyond a longer expiry', now + 79_201, now + 86_401],
    ['a week and 2 h for an invoice of a week', now + 604_800, now + 612_000],
    ['no more than a number can say', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ])('is %s', (_what, paymentExpiresAt, expected) => {
    expect(keyLife(now, paymentExpiresAt)).toBe(expected);
  });
});

function isWellFormed(text: string): boolean {
  return Buffer.from(text, 'utf8').toString('utf8') === text;
}
