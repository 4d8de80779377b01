/**
 * The gate campaign: so many seeded messages through a detector, of which none may be free.
 *
 * Rules: payments.md, Free traffic. What is free is asked of the RoutingPolicyEngine in `payment_gated`, as for a packet.
 */
import { assert, present } from '../../core/assert.js';
import { toHex } from '../../core/bytes.js';
import { nodeIdOf, NODE_ID_BYTES } from '../../core/ids.js';
import { judgePolicyOf, parseConfig } from '../../config/config.js';
import type { Clock } from '../../core/ports.js';
import { DETECTED_PROTOCOLS, type BatchDetector, type DetectedProtocol } from '../../packet/detect.js';
import { RoutingPolicyEngine } from '../../packet/policy.js';
import { GateMessages, MESSAGE_KINDS, type MessageBatch, type MessageKind } from './gate-messages.js';

/** How long batches run before the event loop gets its turn. */
const SLICE_MILLIS = 100;

export interface GateCampaignOptions {
  readonly messages: number;
  readonly seed: number;
  readonly detector: BatchDetector;
  readonly clock: Pick<Clock, 'monotonicMillis'>;
  /** Called about ten times a second with the messages done. */
  readonly onProgress?: (done: number) => void;
}

/** One message that passed for free. */
export interface FreeMessage {
  /** The how-manieth of its seed it was, from 0. */
  readonly message: number;
  readonly kind: MessageKind;
  readonly protocol: DetectedProtocol;
  readonly hex: string;
}

export interface GateCampaignReport {
  readonly seed: number;
  readonly messages: number;
  readonly elapsedSeconds: number;
  /** How many of each kind were told as each protocol. */
  readonly told: { readonly [K in MessageKind]: { readonly [P in DetectedProtocol]: number } };
  /** How many of all were free. */
  readonly free: number;
  readonly firstFree: FreeMessage | null;
}

/** The same report but for its time whenever `messages` and `seed` are the same. */
export async function runGateCampaign(options: GateCampaignOptions): Promise<GateCampaignReport> {
  const { messages, seed, detector, clock, onProgress } = options;
  const started = clock.monotonicMillis();
  const source = new GateMessages(seed);
  const counts = new GateCounts(detector, source.samples);
  let sliceEnd = started + SLICE_MILLIS;
  while (counts.messages < messages) {
    counts.take(source.next(), messages - counts.messages);
    if (clock.monotonicMillis() < sliceEnd) continue;
    onProgress?.(counts.messages);
    await new Promise(setImmediate);
    sliceEnd = clock.monotonicMillis() + SLICE_MILLIS;
  }
  onProgress?.(messages);
  const elapsedSeconds = (clock.monotonicMillis() - started) / 1_000;
  return { seed, messages, elapsedSeconds, ...counts.report() };
}

class GateCounts {
  readonly #detector: BatchDetector;
  readonly #isFree: readonly boolean[];
  /** By kind, then by protocol. */
  readonly #told = new Float64Array(MESSAGE_KINDS.length * DETECTED_PROTOCOLS.length);
  #messages = 0;
  #free = 0;
  #firstFree: FreeMessage | null = null;

  /** @param samples whole messages: all of them free, or what is broken of them would prove nothing */
  constructor(detector: BatchDetector, samples: readonly Uint8Array[]) {
    const gate = paymentGate(detector);
    this.#detector = detector;
    this.#isFree = DETECTED_PROTOCOLS.map((protocol) => gate.determinePolicy(protocol) === 'Free');
    const areFree = samples.every((sample) => gate.determinePolicy(gate.detectProtocol(sample)) === 'Free');
    assert(areFree, 'a whole message is free');
  }

  get messages(): number {
    return this.#messages;
  }

  /** Counts at most so many messages of a batch. */
  take(batch: MessageBatch, most: number): void {
    const ends = batch.ends.subarray(0, most);
    const codes = new Uint8Array(ends.length);
    this.#detector.detectMany(batch.data, ends, codes);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i] ?? 0;
      const kind = batch.kinds[i] ?? 0;
      const cell = kind * DETECTED_PROTOCOLS.length + code;
      this.#told[cell] = (this.#told[cell] ?? 0) + 1;
      if (this.#isFree[code] !== false) this.#passed(batch, i, code);
    }
    this.#messages += codes.length;
  }

  report(): Pick<GateCampaignReport, 'told' | 'free' | 'firstFree'> {
    const toldOf = (kind: number): Record<DetectedProtocol, number> => {
      const entries = DETECTED_PROTOCOLS.map((protocol, code) => [
        protocol,
        this.#told[kind * DETECTED_PROTOCOLS.length + code] ?? 0,
      ]);
      return Object.fromEntries(entries) as Record<DetectedProtocol, number>;
    };
    const told = Object.fromEntries(MESSAGE_KINDS.map((name, kind) => [name, toldOf(kind)]));
    return { told: told as GateCampaignReport['told'], free: this.#free, firstFree: this.#firstFree };
  }

  #passed({ data, ends, kinds }: MessageBatch, index: number, code: number): void {
    this.#free += 1;
    this.#firstFree ??= {
      message: this.#messages + index,
      kind: present(MESSAGE_KINDS[kinds[index] ?? 0], 'a known kind'),
      protocol: present(DETECTED_PROTOCOLS[code], 'a known code'),
      hex: toHex(data.subarray(ends[index - 1] ?? 0, ends[index])),
    };
  }
}

/** The gate of a node without configuration, which is in `payment_gated`. */
function paymentGate(detector: BatchDetector): RoutingPolicyEngine {
  const { config } = parseConfig({ text: '', fileName: 'config.toml', env: {} });
  const self = nodeIdOf(new Uint8Array(NODE_ID_BYTES));
  return new RoutingPolicyEngine(judgePolicyOf(config, { self, ownPayee: null, paymentsSince: 0 }), detector);
}
