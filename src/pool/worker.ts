/**
 * What runs on every worker thread: takes batches where they lie in shared memory and judges packet by packet, until
 * it is told to stop or to come back with another policy. Asleep while there is nothing to do.
 *
 * Rules: architecture.md (worker pool). Reaches only core, packet, ledger, payment, replay and wasm. One run of `work`
 * is one task of Piscina, which owns the thread.
 */
import { deserialize, serialize } from 'node:v8';
import { threadId, workerData } from 'node:worker_threads';
import { LIMITS } from '../core/limits.js';
import type { JudgePolicy } from '../core/policy.js';
import { Bolt11Decoder } from '../payment/bolt11/decode.js';
import { QuickInvoiceReader } from '../payment/bolt11/quick.js';
import { InvoiceRegistry } from '../payment/registry.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import { WasmKernel, type KernelModule } from '../wasm/kernel.js';
import { BatchKind, type Batch } from './batch.js';
import { BatchMemory } from './batch-memory.js';
import { sharedMillis } from './shared-clock.js';
import { judgePacket, judgeTools, type JudgeParts, type JudgeTools, type PacketContext } from './judge.js';

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly batches: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  /** 16 bytes: the secret of the replay table's fingerprints. */
  readonly secret: Uint8Array;
  readonly kernel: KernelModule;
  /** Of the InvoiceRegistry, where this node has one. */
  readonly registry?: SharedArrayBuffer;
}

/** One stay in the loop. */
export interface WorkTask {
  /** The number of the worker, under which it takes batches. */
  readonly worker: number;
  readonly policyVersion: number;
  /** The policy of that version, serialised (node:v8). */
  readonly policy: SharedArrayBuffer;
}

const MICROS = 1_000;

const start = workerData as WorkerStart;
const kernel = new WasmKernel(start.kernel, start.secret);
const parts: JudgeParts = {
  examiner: kernel,
  detector: kernel,
  quickInvoices: new QuickInvoiceReader(kernel),
  decoder: new Bolt11Decoder({ sha256: (bytes) => kernel.sha256(bytes) }),
  table: SharedReplayTable.attach(start.table, kernel),
  ...(start.registry === undefined ? {} : { registry: InvoiceRegistry.attach(start.registry, kernel) }),
  sha256: (bytes) => kernel.sha256(bytes),
  fingerprinter: kernel,
};
const memory = new BatchMemory(start.batches);

/**
 * Where the packets of a batch are judged: the parser reads one many times, a byte here and there, and shared memory is
 * several times slower for that than memory of one's own. The kernel looks at them there too.
 */
const scratch = kernel.workspace(LIMITS.BATCH_BYTES);

/** Judges batches until the wanted version is another than the task's. */
export default function work(task: WorkTask): void {
  serve(task, judgePacket);
}

/** `work` with a judge of the caller's: for tests of workers that fail. */
export function serve({ worker, policyVersion, policy }: WorkTask, judge: typeof judgePacket): void {
  const tools = judgeTools(deserialize(new Uint8Array(policy).slice()) as JudgePolicy, parts);
  memory.arrive(worker, threadId);
  for (;;) {
    const seen = memory.workBell;
    if (memory.wanted !== policyVersion) return;
    const batch = memory.take(worker);
    if (batch === null) {
      memory.sleep(worker, seen);
    } else if (batch.policyVersion > policyVersion) {
      // A batch of after the change, taken before it was noticed. One of before is judged by what holds now: nobody has
      // its policy any more.
      batch.putBack();
      return;
    } else {
      const begun = sharedMillis();
      if (batch.kind === BatchKind.Packets) judgeBatch(batch, tools, judge);
      else readInvoices(batch);
      batch.finish(begun, (sharedMillis() - begun) * MICROS);
      memory.ringDone();
    }
  }
}

function judgeBatch(batch: Batch, tools: JudgeTools, judge: typeof judgePacket): void {
  const { nowSeconds, taken } = batch;
  let index = batch.begin;
  const beforeClaim = (): void => {
    batch.claiming(index);
  };
  batch.copyPackets(scratch);
  lookAhead(batch, index, tools);
  const { buffer, byteOffset } = scratch;
  let context: PacketContext | null = null;
  for (; index < taken; index++) {
    batch.judging(index);
    const isInRun = context !== null && batch.isSenderSame(index);
    if (context === null || !isInRun) {
      const { previousHop, origin } = batch.sender(index);
      context = { previousHop, origin, nowSeconds, beforeClaim };
    }
    const bytes = new Uint8Array(buffer, byteOffset + batch.offset(index), batch.length(index));
    batch.write(index, judge(bytes, context, tools), isInRun);
  }
  batch.judging(taken);
}

/** Has what the packets of a batch need made together, as far as it can be. */
function lookAhead(batch: Batch, begin: number, { gate, rules }: JudgeTools): void {
  if (!gate.isGated) return;
  const { ahead } = kernel;
  const { byteOffset } = scratch;
  const count = Math.min(batch.taken - begin, ahead.length / 2);
  for (let i = 0; i < count; i++) {
    ahead[2 * i] = byteOffset + batch.offset(begin + i);
    ahead[2 * i + 1] = batch.length(begin + i);
  }
  kernel.lookAhead(rules, count);
}

/** Reads invoices with their signatures: the list is one packet, and the answer takes its place. */
function readInvoices(batch: Batch): void {
  const texts = deserialize(batch.packet(0).slice()) as readonly string[];
  batch.answer(serialize(texts.map((text) => parts.decoder.decode(text))));
}
