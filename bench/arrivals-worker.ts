/**
 * Packets that arrive when they arrive: a thread that sleeps until the next planned times, and tells the main thread
 * how many have come. It never waits for the module, so a stall of the module delays no arrival and hides none.
 */
import { parentPort } from 'node:worker_threads';
import { machineMillis } from './machine-clock.js';

/** A plan: milliseconds after the first moment, in ascending order. */
export interface ArrivalPlan {
  readonly offsetsMillis: Float64Array;
  /** Millisecond of the machine's monotonic clock that they are counted from. */
  readonly beginMillis: number;
}

const sleep = new Int32Array(new SharedArrayBuffer(4));

parentPort?.on('message', ({ offsetsMillis, beginMillis }: ArrivalPlan) => {
  let arrived = 0;
  while (arrived < offsetsMillis.length) {
    const next = offsetsMillis[arrived] ?? 0;
    const now = machineMillis() - beginMillis;
    if (now < next) {
      Atomics.wait(sleep, 0, 0, next - now);
      continue;
    }
    while (arrived < offsetsMillis.length && (offsetsMillis[arrived] ?? 0) <= now) arrived++;
    parentPort?.postMessage(arrived);
  }
});
