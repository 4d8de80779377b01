// Starts and stops worker threads that use secp256k1 while the main thread has it too, beside the older one of npm
// bolt11, and prints which ones were chosen. A process of its own: what went wrong in version 4 was an abort.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { secp256k1 } from '../../dist/payment/bolt11/secp256k1.js';

const ROUNDS = 8;
const THREADS = 3;

async function threadsComeAndGo() {
  await import('bolt11');
  const names = new Set([secp256k1.name]);
  const one = () =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url));
      worker.once('error', reject);
      worker.once('exit', resolve);
      worker.once('message', (name) => {
        names.add(name);
        void worker.terminate();
      });
    });
  for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: THREADS }, one));
  return [...names].join();
}

if (isMainThread) console.log(await threadsComeAndGo());
else parentPort.postMessage(secp256k1.name);
