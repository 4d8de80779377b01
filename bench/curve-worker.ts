/** A thread that does nothing but recover keys: the floor under every payment by an unknown invoice. */
import { parentPort, workerData } from 'node:worker_threads';
import { NATIVE } from '#dist/payment/bolt11/secp256k1.js';

/** What the curve is asked for one invoice. */
export interface CurveQuestion {
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
  readonly recoveryId: number;
}

const QUESTIONS_BETWEEN_LOOKS = 32;

const questions = workerData as readonly CurveQuestion[];
const curve = await NATIVE.load();

/** Told a time in milliseconds it works that long, and answers with keys per second. */
parentPort?.on('message', (millis: number) => {
  const began = performance.now();
  let done = 0;
  let now = began;
  while (now - began < millis) {
    for (let i = 0; i < QUESTIONS_BETWEEN_LOOKS; i++, done++) {
      const question = questions[done % questions.length];
      if (question === undefined) throw new Error('there are questions');
      curve.recover(question.digest, question.signature, question.recoveryId);
    }
    now = performance.now();
  }
  parentPort?.postMessage((done * 1_000) / (now - began));
});
parentPort?.postMessage('ready');
