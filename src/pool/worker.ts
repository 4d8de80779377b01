/**
 * What runs on every worker thread: takes a batch where it lies in shared memory, and judges packet by packet.
 *
 * Rules: architecture.md (worker pool). Reaches only core, packet, ledger, payment, replay and wasm. Between
 * batches Piscina lets the thread sleep on an Atomics.wait.
 */
import { deserialize } from 'node:v8';
import { threadId, workerData } from 'node:worker_threads';
import { present } from '../core/assert.js';
import type { JudgePolicy } from '../core/policy.js';
import { Bolt11Decoder } from '../payment/bolt11/decode.js';
import type { InvoiceVerdict } from '../payment/invoice.js';
import { InvoiceRegistry } from '../payment/registry.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import { WasmKernel, type KernelModule } from '../wasm/kernel.js';
import { BatchRegion, PacketState } from './batch-memory.js';
import { judgePacket, judgeTools, type JudgeParts, type JudgeTools } from './judge.js';

/** What a worker is started with. */
export interface WorkerStart {
  readonly batches: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  /** 16 bytes: the secret of the replay table's fingerprints. */
  readonly secret: Uint8Array;
  readonly kernel: KernelModule;
  /** Of the InvoiceRegistry, where this node has one. */
  readonly registry?: SharedArrayBuffer;
}

/** One batch, by where it lies. */
export interface BatchTask {
  readonly region: number;
  /** Packets in it. */
  readonly count: number;
  /** Unix seconds at which they are judged. */
  readonly nowSeconds: number;
  readonly policyVersion: number;
  /** The policy of that version, serialised (node:v8); read once per version. */
  readonly policy: SharedArrayBuffer;
}

const start = workerData as WorkerStart;
const kernel = new WasmKernel(start.kernel, start.secret);
const parts: JudgeParts = {
  detector: kernel,
  decoder: new Bolt11Decoder({ sha256: (bytes) => kernel.sha256(bytes) }),
  table: SharedReplayTable.attach(start.table, kernel),
  ...(start.registry === undefined ? {} : { registry: InvoiceRegistry.attach(start.registry, kernel) }),
  sha256: (bytes) => kernel.sha256(bytes),
};
const regions = new Map<number, BatchRegion>();
let tools: JudgeTools | null = null;
let toolsVersion = -1;

/** Judges a batch; the verdicts are in its region when this returns. */
export default function judgeBatch(task: BatchTask): void {
  if (task.policyVersion !== toolsVersion) {
    const policy = deserialize(new Uint8Array(task.policy).slice()) as JudgePolicy;
    tools = judgeTools(policy, parts);
    toolsVersion = task.policyVersion;
  }
  const region = regionAt(task.region);
  region.setThread(threadId);
  for (let index = 0; index < task.count; index++) {
    region.setState(index, PacketState.Judging);
    const context = {
      ...region.sender(index),
      nowSeconds: task.nowSeconds,
      beforeClaim: () => {
        region.setState(index, PacketState.Claiming);
      },
    };
    region.writeVerdict(
      index,
      judgePacket(region.packet(index), context, present(tools, 'a policy was read')),
    );
  }
}

/** Reads invoices with their signatures. */
export function readInvoices(texts: readonly string[]): readonly InvoiceVerdict[] {
  return texts.map((text) => parts.decoder.decode(text));
}

function regionAt(index: number): BatchRegion {
  const known = regions.get(index);
  if (known !== undefined) return known;
  const region = new BatchRegion(start.batches, index);
  regions.set(index, region);
  return region;
}
