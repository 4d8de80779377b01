/**
 * Replay keys: what names a payment so that it is used once, and for how long.
 *
 * Rules: payments.md, any proof, 4 and 8. A key is never a hash of bytes that the sender can vary: neither the
 * proof's timestamp nor its encoding, nor anything of the packet around it, has a part in it.
 */
import { assert } from '../core/assert.js';
import { BincodeWriter } from '../core/bincode.js';
import { utf8 } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';

/** Length of a replay key and of the hashes it is made from. */
export const REPLAY_KEY_BYTES = 32;

const ONCHAIN_DOMAIN = utf8('blvm-mesh/onchain');
const CTV_DOMAIN = utf8('blvm-mesh/ctv');

/** Lightning: the payment hash itself. @param paymentHash 32 bytes */
export function lightningKey(paymentHash: Uint8Array): Uint8Array {
  assert(paymentHash.length === REPLAY_KEY_BYTES, 'a payment hash has 32 bytes');
  return paymentHash;
}

/** OnChainSettlement: SHA-256("blvm-mesh/onchain" || payment_request_id as UTF-8 || tx_hash). */
export function onChainKey(paymentRequestId: string, txHash: Uint8Array): Uint8Array {
  assert(txHash.length === REPLAY_KEY_BYTES, 'a transaction hash has 32 bytes');
  return sha256(ONCHAIN_DOMAIN, utf8(paymentRequestId), txHash);
}

/**
 * InstantSettlement: the funding outpoint, SHA-256("blvm-mesh/ctv" || txid || vout).
 * @param txid 32 bytes in the order of the wire
 * @param vout output index, hashed as 4 bytes, little endian, as in a serialised outpoint
 */
export function instantKey(txid: Uint8Array, vout: number): Uint8Array {
  assert(txid.length === REPLAY_KEY_BYTES, 'a transaction id has 32 bytes');
  const index = new BincodeWriter(4);
  index.u32(vout);
  return sha256(CTV_DOMAIN, txid, index.finish());
}

/** Unix seconds for the key of a payment that never stops being valid: any store of keys keeps it for good. */
export const KEEP_KEY_FOREVER: number = Number.MAX_SAFE_INTEGER;

/**
 * Until when a claimed key must be remembered: max(now + 24 h, expiry of the payment + 2 h).
 * @param paymentExpiresAt Unix seconds at which the payment itself can no longer be valid
 */
export function keyLife(nowSeconds: number, paymentExpiresAt: number): number {
  const life = Math.max(
    nowSeconds + LIMITS.REPLAY_TTL_SECONDS,
    paymentExpiresAt + LIMITS.REPLAY_EXTRA_SECONDS,
  );
  return Math.min(life, KEEP_KEY_FOREVER);
}
