/**
 * The twin campaign: one trace is judged by the plain judge on this thread and by the fast engine, worker threads with
 * WebAssembly and the shared replay table; both must say the same of every packet.
 *
 * Rules: architecture.md (contract, plain twin, fast path); payments.md. Packets of one window stand in no relation to
 * each other (trace.ts), so the order in which the workers come to them decides nothing.
 */
import { present } from '../core/assert.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Clock } from '../core/ports.js';
import { systemClock } from '../core/clock.js';
import { SeededRandom } from '../core/random.js';
import type { Reason } from '../core/reasons.js';
import { reasonName, type ReasonName } from '../core/reasons.js';
import { textOf, type InvoiceText } from '../payment/invoice.js';
import { InvoiceRegistry, type InvoiceLookup, type IssuedInvoice } from '../payment/registry.js';
import { InlineJudge } from '../pool/inline-judge.js';
import { judged, withoutHints, type PacketJudge, type PacketVerdict } from '../pool/judge-port.js';
import { VerdictPool } from '../pool/verdict-pool.js';
import { FINGERPRINT_SECRET_BYTES } from '../replay/fingerprint.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import { PlainReplayTable, type ReplayTable } from '../replay/table.js';
import { WasmKernel } from '../wasm/kernel.js';
import { FRESH_ONE_IN, Trace, TRACE_GROUPS, type TraceGroup, type TracePacket } from './trace.js';

export interface TwinOptions {
  readonly packets: number;
  readonly seed: number;
  readonly workers?: number;
  /** Called after each window, with the packets judged and the payments claimed so far. */
  readonly onProgress?: (packets: number, claimed: number) => void;
}

export interface TwinResult {
  readonly packets: number;
  /** Packets by what they were made as. */
  readonly groups: Readonly<Record<TraceGroup, number>>;
  /** Verdicts by reason; Accepted are those that passed. */
  readonly reasons: Readonly<Partial<Record<ReasonName, number>>>;
  /** Payments that were claimed; each by exactly one packet. */
  readonly claimed: number;
  readonly seconds: number;
  /** Packets on which the two disagree, in words; empty where all is well. */
  readonly violations: readonly string[];
}

const WORKERS = 2;

/** After so many windows the next policy holds. */
const WINDOWS_PER_POLICY = 8;
/** Of so many turns the ordinary policy has all but as many as there are others. */
const POLICY_TURNS = 16;

/** Where so many disagree, the rest says nothing new. */
const MOST_VIOLATIONS = 100;

/** Keys; the shared table wants some room for each hour in which keys end. */
const LEAST_CAPACITY = 65_536;

const silent = { log: () => undefined };

/** Registered invoices in a Map: the plain twin of InvoiceRegistry. */
class PlainRegistry implements InvoiceLookup {
  readonly #invoices = new Map<string, IssuedInvoice>();

  find(invoice: InvoiceText): IssuedInvoice | null {
    return this.#invoices.get(textOf(invoice)) ?? null;
  }

  register(text: string, invoice: IssuedInvoice): void {
    this.#invoices.set(text, invoice);
  }
}

/** Runs a whole campaign. @throws MeshError where the workers cannot start */
export async function runTwinCampaign(options: TwinOptions): Promise<TwinResult> {
  const campaign = await TwinCampaign.start(options);
  try {
    return await campaign.run();
  } finally {
    await campaign.close();
  }
}

class TwinCampaign {
  readonly #options: TwinOptions;
  readonly #trace: Trace;
  readonly #clock: TraceClock;
  readonly #tables: readonly ReplayTable[];
  readonly #plain: PacketJudge;
  readonly #plainRegistry: PlainRegistry;
  readonly #fast: PacketJudge;
  readonly #fastRegistry: InvoiceRegistry;
  readonly #startedAt = performance.now();
  readonly #groups: Record<TraceGroup, number> = Object.fromEntries(
    TRACE_GROUPS.map((group) => [group, 0]),
  ) as Record<TraceGroup, number>;
  readonly #reasons = new Map<Reason, number>();
  readonly #violations: string[] = [];
  #packets = 0;
  #claimed = 0;

  private constructor(
    options: TwinOptions,
    trace: Trace,
    clock: TraceClock,
    tables: readonly ReplayTable[],
    plain: readonly [PacketJudge, PlainRegistry],
    fast: readonly [PacketJudge, InvoiceRegistry],
  ) {
    this.#options = options;
    this.#trace = trace;
    this.#clock = clock;
    this.#tables = tables;
    [this.#plain, this.#plainRegistry] = plain;
    [this.#fast, this.#fastRegistry] = fast;
  }

  static async start(options: TwinOptions): Promise<TwinCampaign> {
    const trace = new Trace(options.seed);
    const clock = new TraceClock();
    const policy = usualPolicy(trace);
    // Neither table may be full: they would be at different packets.
    const capacity = Math.max(
      LEAST_CAPACITY,
      2 ** Math.ceil(Math.log2((4 * options.packets) / FRESH_ONE_IN)),
    );
    const registry = new PlainRegistry();
    const plainTable = new PlainReplayTable(capacity);
    const secret = new SeededRandom(options.seed).bytes(FINGERPRINT_SECRET_BYTES);
    const plain = new InlineJudge({ policy, table: plainTable, secret, clock, registry });
    const kernel = WasmKernel.load(secret);
    // No issued invoice may be forgotten.
    const fastRegistry = InvoiceRegistry.create(kernel, capacity);
    const fastTable = SharedReplayTable.create(kernel, capacity);
    const fast = await VerdictPool.start({
      workers: options.workers ?? WORKERS,
      table: fastTable.memory,
      registry: fastRegistry.memory,
      secret,
      log: silent,
      policy,
      clock,
    });
    const tables = [plainTable, fastTable];
    return new TwinCampaign(options, trace, clock, tables, [plain, registry], [fast, fastRegistry]);
  }

  async run(): Promise<TwinResult> {
    const { packets, onProgress } = this.#options;
    for (let window = 0; this.#packets < packets && this.#violations.length < MOST_VIOLATIONS; window++) {
      if (window % WINDOWS_PER_POLICY === 0) this.#usePolicy(window / WINDOWS_PER_POLICY);
      await this.#window(packets - this.#packets);
      onProgress?.(this.#packets, this.#claimed);
    }
    return this.#result();
  }

  async close(): Promise<void> {
    await Promise.all([this.#plain.close(), this.#fast.close()]);
  }

  #usePolicy(turn: number): void {
    const { policies } = this.#trace.world;
    const policy = policies[turn % POLICY_TURNS] ?? usualPolicy(this.#trace);
    this.#plain.updatePolicy(policy);
    this.#fast.updatePolicy(policy);
  }

  async #window(most: number): Promise<void> {
    const { packets, issued, nowSeconds } = this.#trace.window(most);
    this.#clock.nowSeconds = nowSeconds;
    // What the engine does every second: it forgets, and the shared table grows.
    for (const table of this.#tables) table.expire(nowSeconds);
    for (const payment of issued) {
      this.#plainRegistry.register(payment.proof.invoice, payment.issued);
      this.#fastRegistry.register(payment.proof.invoice, payment.issued);
    }
    const fast = packets.map(({ bytes, sender }) => judged(this.#fast, bytes, sender));
    // They are judged at the same time.
    const plain = packets.map(({ bytes, sender }) => judged(this.#plain, bytes, sender));
    for (const [index, packet] of packets.entries()) {
      const [expected, found] = await Promise.all([plain[index], fast[index]]);
      this.#compare(packet, present(expected, 'judged'), present(found, 'judged'));
    }
  }

  #compare({ group, bytes }: TracePacket, expected: PacketVerdict, found: PacketVerdict): void {
    const number = this.#packets++;
    this.#groups[group] += 1;
    this.#reasons.set(expected.reason, (this.#reasons.get(expected.reason) ?? 0) + 1);
    if (expected.kind === 'paid') this.#claimed += 1;
    for (const difference of differences(expected, found)) {
      this.#violations.push(`packet ${number} (${group}, ${bytes.length} bytes): ${difference}`);
    }
  }

  #result(): TwinResult {
    const reasons = [...this.#reasons].sort(([one], [other]) => one - other);
    return {
      packets: this.#packets,
      groups: { ...this.#groups },
      reasons: Object.fromEntries(reasons.map(([reason, count]) => [reasonName(reason), count])),
      claimed: this.#claimed,
      seconds: (performance.now() - this.#startedAt) / 1_000,
      violations: [...this.#violations],
    };
  }
}

/** What two verdicts say differently of a packet, field by field; empty where they are the same. */
export function differences(expected: PacketVerdict, found: PacketVerdict): readonly string[] {
  const [plainly, fast] = [withoutHints(expected), withoutHints(found)];
  const fields = Object.keys(plainly) as readonly (keyof PacketVerdict)[];
  return fields.flatMap((field) => {
    const [one, other] = [shown(field, plainly[field]), shown(field, fast[field])];
    return one === other ? [] : [`${field} is ${one} plainly and ${other} fast`];
  });
}

function shown(field: keyof PacketVerdict, value: PacketVerdict[keyof PacketVerdict]): string {
  if (field === 'reason') return reasonName(value as Reason);
  if (!ArrayBuffer.isView(value)) return String(value);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
}

function usualPolicy({ world }: Trace): JudgePolicy {
  return present(world.policies[0], 'a world has an ordinary policy');
}

/** Stands still within a window. */
class TraceClock implements Clock {
  nowSeconds = 0;

  unixSeconds(): number {
    return this.nowSeconds;
  }

  monotonicMillis(): number {
    return systemClock.monotonicMillis();
  }

  after(delayMillis: number, callback: () => void): ReturnType<Clock['after']> {
    return systemClock.after(delayMillis, callback);
  }
}
