/**
 * A worker as the pool's own, but for a packet now and then at which it dies: before it judges it, when it may have
 * claimed its payment, or after. Runs on worker threads, from the built package.
 */
import { judgePacket } from '../pool/judge.js';
import { serve } from '../pool/worker.js';

/** One packet in so many ends the thread. */
const DIES_ONE_IN = 400;

type Served = Parameters<typeof serve>;

export default function work(task: Served[0]): void {
  serve(task, (bytes, context, tools) => {
    const step = Math.floor(Math.random() * DIES_ONE_IN * 3);
    if (step === 0) process.exit(1);
    if (step === 1) {
      context.beforeClaim?.();
      process.exit(1);
    }
    const verdict = judgePacket(bytes, context, tools);
    if (step === 2) process.exit(1);
    return verdict;
  });
}
