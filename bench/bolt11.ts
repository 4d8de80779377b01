/**
 * Reading invoices: against the curve alone, which is the floor of the signature path, and against npm bolt11.
 *
 * Targets (strict BOLT11): the signature path at 0.80 of raw native recovery or better; reading without the curve
 * 25 times as fast as the whole reading of npm bolt11, or better.
 */
import { randomBytes } from 'node:crypto';
import bolt11 from 'bolt11';
import { sha256 } from '#dist/core/hash.js';
import { signInvoice } from '#dist/dev/bolt11.js';
import { Bolt11Decoder } from '#dist/payment/bolt11/decode.js';
import { NATIVE, WEB_ASSEMBLY } from '#dist/payment/bolt11/secp256k1.js';
import type { Secp256k1 } from '#dist/payment/bolt11/signature.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import type { CurveQuestion } from './curve-worker.js';
import { ratioAtLeast } from './stats.js';
import type { Group, Task } from './suite.js';

/** Different ones, so that nothing is found again in a cache. */
const INVOICES = 256;

const KEY = new Uint8Array(32).fill(7);
/** Of the generator: stands for whatever key a curve would recover. */
const SOME_KEY = new Uint8Array(
  Buffer.from('0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798', 'hex'),
);
const NO_CURVE: Secp256k1 = { isPublicKey: () => true, recover: () => SOME_KEY, verify: () => true };
const SOME_DIGEST = new Uint8Array(32);

const REGTEST = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] };

function invoices(): readonly string[] {
  return Array.from({ length: INVOICES }, (_, index) =>
    signInvoice(
      {
        network: 'regtest',
        amountMsat: BigInt(10_000 + index),
        timestamp: 1_800_000_000 + index,
        expirySeconds: 3_600,
        paymentHash: sha256(Uint8Array.of(index)),
        paymentSecret: new Uint8Array(randomBytes(32)),
        description: `bench ${index}`,
      },
      KEY,
    ),
  );
}

/** What the reader asks the curve for these invoices, kept. */
export function questionsOf(texts: readonly string[]): readonly CurveQuestion[] {
  const asked: CurveQuestion[] = [];
  const listening: Secp256k1 = {
    ...NO_CURVE,
    recover: (digest, signature, recoveryId) => {
      asked.push({ digest: digest.slice(), signature: signature.slice(), recoveryId });
      return SOME_KEY;
    },
  };
  const decoder = new Bolt11Decoder({ curve: listening });
  for (const text of texts) decoder.decode(text);
  return asked;
}

function each<T>(name: string, unit: string, items: readonly T[], once: (item: T) => unknown): Task {
  return {
    name,
    unit,
    operations: items.length,
    run: () => {
      for (const item of items) once(item);
    },
  };
}

/** The signature path of one thread, as the workers have it, beside the recovery alone. */
export async function signatures(): Promise<Group> {
  const texts = invoices();
  const questions = questionsOf(texts);
  const kernel = new WasmKernel(compileKernel(), new Uint8Array(16));
  const hash = (bytes: Uint8Array): Uint8Array => kernel.sha256(bytes);
  const [native, wasm] = await Promise.all([NATIVE.load(), WEB_ASSEMBLY.load()]);
  const recovered = (name: string, curve: Secp256k1): Task =>
    each(name, 'keys/s', questions, ({ digest, signature, recoveryId }) =>
      curve.recover(digest, signature, recoveryId),
    );
  const decoded = (name: string, curve: Secp256k1): Task => {
    const decoder = new Bolt11Decoder({ curve, sha256: hash });
    return each(name, 'invoices/s', texts, (text) => decoder.decode(text));
  };
  return {
    name: 'invoice signatures',
    tasks: [
      recovered('key recovered, native', native),
      { ...decoded('invoice judged, native', native), target: ratioAtLeast(0.8) },
      recovered('key recovered, WASM', wasm),
      { ...decoded('invoice judged, WASM', wasm), reference: 'key recovered, WASM' },
    ],
  };
}

/** Everything but the curve, beside the whole of npm bolt11. */
export function reading(): Group {
  const texts = invoices();
  const strict = new Bolt11Decoder({ curve: NO_CURVE, sha256: () => SOME_DIGEST });
  const whole = new Bolt11Decoder();
  return {
    name: 'invoice',
    tasks: [
      each('npm bolt11, whole', 'invoices/s', texts, (text) => bolt11.decode(text, REGTEST)),
      {
        ...each('strict, without signature', 'invoices/s', texts, (text) => strict.decode(text)),
        target: ratioAtLeast(25),
      },
      each('strict, whole', 'invoices/s', texts, (text) => whole.decode(text)),
    ],
  };
}
