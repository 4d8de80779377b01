/**
 * Which secp256k1 this thread uses: native libsecp256k1, or where that does not load, the same library as
 * WebAssembly, at less than half the speed. Never a JavaScript one, and never in silence: the choice says its name
 * and why it is not the first, and the log and the status repeat it.
 *
 * The main entry of npm secp256k1 falls back to JavaScript by itself, so only its binding is loaded, of version 5:
 * version 4 keeps state for the whole process and damages the heap on worker threads.
 */
import { MeshError, errorText } from '../../core/errors.js';
import { fromHex, toHex } from '../../core/bytes.js';
import { present } from '../../core/assert.js';
import type { Log } from '../../core/ports.js';
import { PUBLIC_KEY_BYTES, type Secp256k1 } from './signature.js';

/** One way to have the curve. */
export interface Secp256k1Source {
  readonly name: string;
  /** Rejects with whatever loading throws. */
  readonly load: () => Promise<Secp256k1>;
}

export interface ChosenSecp256k1 {
  readonly curve: Secp256k1;
  readonly name: string;
  /** Why earlier sources were passed over, one line each; empty where the first one works. */
  readonly passedOver: readonly string[];
}

export const NATIVE: Secp256k1Source = {
  name: 'native libsecp256k1',
  load: async () => {
    const { default: native } = await import('secp256k1/bindings.js');
    // Made once: an array that a native function is to write to costs microseconds to make and to clear away.
    const output = new Uint8Array(new ArrayBuffer(PUBLIC_KEY_BYTES));
    return {
      isPublicKey: (key) => native.publicKeyVerify(key),
      recover: (digest, signature, recoveryId) => {
        try {
          return native.ecdsaRecover(signature, recoveryId, digest, true, output);
        } catch {
          return null; // its way to say that there is none
        }
      },
      verify: (digest, signature, key) => native.ecdsaVerify(signature, digest, key),
    };
  },
};

export const WEB_ASSEMBLY: Secp256k1Source = {
  name: 'libsecp256k1 as WebAssembly',
  load: async () => {
    const { instantiateSecp256k1 } = await import('@bitauth/libauth');
    const wasm = await instantiateSecp256k1();
    return {
      isPublicKey: (key) => wasm.validatePublicKey(key),
      recover: (digest, signature, recoveryId) => {
        const key = wasm.recoverPublicKeyCompressed(signature, recoveryId as 0 | 1 | 2 | 3, digest);
        return typeof key === 'string' ? null : key;
      },
      verify: (digest, signature, key) => wasm.verifySignatureCompactLowS(signature, key, digest),
    };
  },
};

/** SHA-256 of `blvm-mesh`, signed with the private key 1: what a working curve must answer. */
const KNOWN = {
  digest: bytes('1ad974158f1bef74f412ac9e88967e3665dc8da3f7545928cea5224fd882b23f'),
  signature: bytes(
    '6c2e4656a6b676c11173882e7b7fb9460e2332bdfd44f78573b6b8964665d275' +
      '5e841ccd7154c3d3e3f8821661e9fa521d5130a868bb7a9519911f1df5e02a8f',
  ),
  recoveryId: 0,
  key: bytes('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'),
};

/**
 * The first source that loads and gives right answers.
 * @throws MeshError CURVE_MISSING where none does: then no invoice can be judged
 */
export async function chooseSecp256k1(sources: readonly Secp256k1Source[]): Promise<ChosenSecp256k1> {
  const passedOver: string[] = [];
  for (const { name, load } of sources) {
    try {
      const curve = await load();
      if (isRight(curve)) return { curve, name, passedOver };
      passedOver.push(`${name}: it gives wrong answers`);
    } catch (error) {
      passedOver.push(`${name}: ${errorText(error).split('\n', 1).join('')}`);
    }
  }
  throw new MeshError(
    'CURVE_MISSING',
    'no implementation of secp256k1 works, so no invoice can be judged: install the package again',
    { tried: passedOver.join('; ') },
  );
}

/** Says which one judges signatures: as a warning where it is not the first, since it is slower then. */
export function tellSecp256k1(log: Log, { name, passedOver }: ChosenSecp256k1 = secp256k1): void {
  if (passedOver.length === 0) log.log('info', 'secp256k1 for invoice signatures', { name });
  else {
    log.log('warn', 'secp256k1 for invoice signatures is not the fastest one', {
      name,
      passedOver: passedOver.join('; '),
    });
  }
}

function isRight(curve: Secp256k1): boolean {
  const { digest, signature, recoveryId, key } = KNOWN;
  const recovered = curve.recover(digest, signature, recoveryId);
  return (
    recovered !== null &&
    toHex(recovered) === toHex(key) &&
    curve.isPublicKey(key) &&
    curve.verify(digest, signature, key) &&
    !curve.verify(key.subarray(1), signature, key)
  );
}

function bytes(hex: string): Uint8Array {
  return present(fromHex(hex), 'a constant is hex');
}

/** The choice of this thread, made once when this file is loaded. */
export const secp256k1: ChosenSecp256k1 = await chooseSecp256k1([NATIVE, WEB_ASSEMBLY]);
