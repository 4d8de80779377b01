/**
 * Free packets and a mixture through the pool, beside the same packets judged one after another on one thread with
 * the tools of a worker: what hand-over costs, and what further threads bring.
 *
 * Target: 500,000 packets of 200 B a second, parsed and with their checksum, with the default of a worker less than cores.
 */
import { randomBytes } from 'node:crypto';
import { LIMITS } from '#dist/core/limits.js';
import { SeededRandom } from '#dist/core/random.js';
import { Bolt11Decoder } from '#dist/payment/bolt11/decode.js';
import { QuickInvoiceReader } from '#dist/payment/bolt11/quick.js';
import { InvoiceRegistry } from '#dist/payment/registry.js';
import { judgePacket, judgeTools } from '#dist/pool/judge.js';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import type { Expected } from './bed.js';
import { rateReadings, stopwatch, type Rate } from './cpu.js';
import { asPaid, rateOf } from './paid.js';
import { freePackets, junkPackets, paidSamples, POLICY, SOURCE, type PaidSample } from './samples.js';
import { atLeast, type Target } from './stats.js';
import { besideMain, workersText, type Runner } from './suite.js';

/** Bytes of packets in one round, and packets at the most. */
const ROUND_BYTES = 256 * 2 ** 20;
const ROUND_PACKETS = 131_072;
/** Before a clock runs, so that workers and main thread run compiled code; each worker starts cold in each round. */
const WARM_PACKETS = 65_536;
const WARM_BYTES = 64 * 2 ** 20;
const QUICK_SHARE = 4;
/** Of these many different packets: free ones may come again. */
const DIFFERENT_BYTES = 32 * 2 ** 20;
const DIFFERENT_PACKETS = 4_096;

const MIXED_PACKETS = 65_536;

export function asFree(packets: readonly Uint8Array[]): readonly Expected[] {
  return packets.map((bytes) => ({ bytes, kind: 'free' }));
}

export function freePipelines(): readonly Runner[] {
  return [freePipeline(200, atLeast(500_000)), freePipeline(1_400), freePipeline(65_536)];
}

function freePipeline(bytes: number, target?: Target): Runner {
  return {
    name: `free pipeline, ${bytes.toLocaleString('en')} B`,
    measure: (settings) => {
      const { rounds, workers, isQuick } = settings;
      const different = Math.min(DIFFERENT_PACKETS, DIFFERENT_BYTES / bytes);
      const packets = asFree(freePackets(different, bytes));
      const count = Math.min(ROUND_PACKETS, ROUND_BYTES / bytes) / (isQuick ? QUICK_SHARE : 1);
      const warm = Math.min(WARM_PACKETS, WARM_BYTES / bytes);
      const all = Array.from({ length: warm + count }, (_, index) => packets[index % packets.length] ?? NONE);
      const most = Math.max(...workers);
      // Small packets are bound by the main thread, large ones by the hashing.
      const counts = target === undefined ? [most] : [...new Set([besideMain(settings), most])];
      return besideOneThread(rounds, counts, { all, warm, issued: [] }, target);
    },
  };
}

/** Of a hundred packets: 15 paid by unknown invoices, 25 by issued ones, 40 and 15 free ones, 5 of junk. */
export function mixedLoad(): Runner {
  return {
    name: 'mixed load',
    measure: ({ rounds, workers, isQuick }) => {
      const total = MIXED_PACKETS / (isQuick ? QUICK_SHARE : 1);
      const part = (percent: number): number => Math.round((percent / 100) * total);
      const issued = paidSamples(part(25), 200);
      const packets = [
        ...asPaid(paidSamples(part(15), 200)),
        ...asPaid(issued),
        ...asFree(freePackets(part(40), 200)),
        ...asFree(freePackets(part(15), 1_400)),
        ...junkPackets(part(5), 200).map((bytes): Expected => ({ bytes, kind: 'refused' })),
      ];
      const warm = Math.floor(packets.length / 4);
      return besideOneThread(rounds, [Math.max(...workers)], { all: shuffled(packets), warm, issued });
    },
  };
}

const NONE: Expected = { bytes: new Uint8Array(0), kind: 'refused' };

/** The packets of a round, of which the first are judged before the clock runs. */
interface Load {
  readonly all: readonly Expected[];
  readonly warm: number;
  readonly issued: readonly PaidSample[];
}

/** @param target of the first of the worker counts */
async function besideOneThread(
  rounds: number,
  counts: readonly number[],
  { all, warm, issued }: Load,
  target?: Target,
): ReturnType<Runner['measure']> {
  const alone: Rate[] = [];
  const pooled = counts.map((): Rate[] => []);
  for (let round = 0; round < rounds; round++) {
    alone.push(rateAlone(all, issued, warm));
    for (const [index, workers] of counts.entries()) {
      pooled[index]?.push(await rateOf({ workers, issued }, all, warm));
    }
  }
  const reference = 'one thread, no pool';
  return [
    ...rateReadings(reference, 'packets/s', alone),
    ...counts.flatMap((workers, index) =>
      rateReadings(workersText(workers), 'packets/s', pooled[index] ?? [], {
        reference,
        ...(target === undefined || index > 0 ? {} : { target }),
      }),
    ),
  ];
}

/** As a worker judges, on this thread, without any hand-over. */
function rateAlone(packets: readonly Expected[], issued: readonly PaidSample[], warm: number): Rate {
  const kernel = new WasmKernel(compileKernel(), new Uint8Array(randomBytes(16)));
  const sha256 = (bytes: Uint8Array): Uint8Array => kernel.sha256(bytes);
  const registry = InvoiceRegistry.create(kernel);
  for (const { invoice, issued: facts } of issued) registry.register(invoice, facts);
  const table = SharedReplayTable.create(kernel);
  table.expire(Math.floor(Date.now() / 1_000));
  const tools = judgeTools(POLICY, {
    examiner: kernel,
    detector: kernel,
    quickInvoices: new QuickInvoiceReader(kernel),
    decoder: new Bolt11Decoder({ sha256 }),
    table,
    registry,
    sha256,
    fingerprinter: kernel,
  });
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const context = { previousHop: SOURCE, origin: 'peer', peer: '10.0.0.1:8334', nowSeconds } as const;
  const workspace = kernel.workspace(LIMITS.PACKET_BYTES);
  let stop = stopwatch();
  packets.forEach(({ bytes, kind }, index) => {
    if (index === warm) stop = stopwatch();
    workspace.set(bytes);
    const verdict = judgePacket(workspace.subarray(0, bytes.length), context, tools);
    table.tend();
    if (verdict.kind !== kind) throw new Error(`a packet was ${verdict.kind}, not ${kind}`);
  });
  const { perSecond, cpu } = stop(packets.length - warm);
  return { perSecond, cpu: { ...cpu, mainThread: NaN } };
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  const random = new SeededRandom(2);
  return items
    .map((item) => ({ item, at: random.unit() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
