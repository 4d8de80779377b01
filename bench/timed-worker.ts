/**
 * The pool's worker with a stopwatch: each verdict brings back when its batch and its judging began and when it ended,
 * in place of the amounts and the expiry, which breakdown.ts knows anyway.
 */
import { judgePacket, type PacketContext } from '#dist/pool/judge.js';
import { serve, type WorkTask } from '#dist/pool/worker.js';
import { machineNanos, millisOf } from './machine-clock.js';

/** A worker makes one such function for each batch: that is how a new one is known. */
let batch: PacketContext['beforeClaim'];
let batchBegan = 0;

export default function work(task: WorkTask): void {
  serve(task, (bytes, context, tools) => {
    const began = machineNanos();
    if (context.beforeClaim !== batch) {
      batch = context.beforeClaim;
      batchBegan = millisOf(began);
    }
    const verdict = judgePacket(bytes, context, tools);
    const ended = machineNanos();
    return {
      ...verdict,
      expiresAt: batchBegan,
      amountMsat: began,
      priceMsat: ended,
    };
  });
}
