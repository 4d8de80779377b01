/** SHA-256, the one hash of the wire formats. @noble/hashes: audited, no native part, the same on every thread. */
import { sha256 as nobleSha256 } from '@noble/hashes/sha2';

/** 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0] !== undefined) return nobleSha256(parts[0]);
  const state = nobleSha256.create();
  for (const part of parts) state.update(part);
  return state.digest();
}
