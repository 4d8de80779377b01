/** X25519, HKDF-SHA256 and ChaCha20-Poly1305 of Node.js, as the examples use them. Keys are 32 bytes. */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';

export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
/** Every key here encrypts one message, so its nonce may be fixed. */
const NONCE = new Uint8Array(12);
const STREAM_NONCE = new Uint8Array(16);
/** What stands before a raw key in its DER form (RFC 8410). */
const PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');

export class KeyPair {
  /** Raw. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  private constructor(publicKey: Uint8Array, privateKey: KeyObject) {
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  static generate(): KeyPair {
    return KeyPair.#of(generateKeyPairSync('x25519').privateKey);
  }

  /** @param secret 32 bytes */
  static from(secret: Uint8Array): KeyPair {
    const der = Buffer.concat([PRIVATE_PREFIX, secret]);
    return KeyPair.#of(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  }

  /** The secret shared with the owner of a public key; null where the key is a point of small order. */
  agree(publicKey: Uint8Array): Uint8Array | null {
    const der = Buffer.concat([PUBLIC_PREFIX, publicKey]);
    try {
      const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
      return diffieHellman({ privateKey: this.#privateKey, publicKey: key });
    } catch {
      return null;
    }
  }

  static #of(privateKey: KeyObject): KeyPair {
    const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    return new KeyPair(new Uint8Array(der.subarray(PUBLIC_PREFIX.length)), privateKey);
  }
}

/** A key for one purpose out of a shared secret. */
export function derive(secret: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), purpose, KEY_BYTES));
}

/** Encrypts and authenticates; TAG_BYTES longer. */
export function seal(key: Uint8Array, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** What was sealed under the key, or null. */
export function unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (sealed.length < TAG_BYTES) return null;
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch {
    return null;
  }
}

/** Mixes bytes with the key's stream; twice gives the bytes again. */
export function mix(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  return createCipheriv('chacha20', key, STREAM_NONCE).update(bytes);
}
