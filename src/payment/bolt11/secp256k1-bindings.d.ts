/** The part that is used of the native binding of npm secp256k1 5, which has no types of its own. */
declare module 'secp256k1/bindings.js' {
  /** Each throws an Error where it cannot read an argument. */
  interface Bindings {
    publicKeyVerify(key: Uint8Array): boolean;
    /** false for a high s too. */
    ecdsaVerify(signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean;
    ecdsaRecover(
      signature: Uint8Array,
      recoveryId: number,
      digest: Uint8Array,
      compressed: boolean,
      output: Uint8Array,
    ): Uint8Array;
  }
  const bindings: Bindings;
  export default bindings;
}
