/**
 * Rates over the last while, for the charts of the page: what was counted is looked at every few seconds.
 *
 * Main thread. Nothing is done on the packet path.
 */
import { LIMITS } from '../../core/limits.js';
import type { Timer } from '../../core/ports.js';
import type { MeshModule } from '../../engine/module.js';

export interface Rates {
  readonly received: number;
  readonly paid: number;
  readonly free: number;
  readonly control: number;
  readonly delivered: number;
  readonly forwarded: number;
  readonly refused: number;
}

export interface HistorySample {
  /** Unix milliseconds. */
  readonly at: number;
  /** Per second since the sample before. */
  readonly rates: Rates;
  readonly hhi: number;
  readonly nakamoto: number;
}

/** Packets of one peer since the start, both ways. */
export interface PeerTraffic {
  readonly inPerSecond: number;
  readonly outPerSecond: number;
}

type Counted = { -readonly [K in keyof Rates]: number };

export class History {
  readonly #mesh: MeshModule;
  readonly #samples: HistorySample[] = [];
  #peers = new Map<string, { readonly in: number; readonly out: number }>();
  #peerRates = new Map<string, PeerTraffic>();
  #last: { readonly millis: number; readonly counted: Counted } | null = null;
  #timer: Timer | null = null;
  #onSample: (() => void) | null = null;

  constructor(mesh: MeshModule) {
    this.#mesh = mesh;
  }

  start(onSample: () => void): void {
    this.#onSample = onSample;
    this.#take();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#onSample = null;
  }

  /** Oldest first. */
  get samples(): readonly HistorySample[] {
    return this.#samples;
  }

  trafficOf(address: string): PeerTraffic {
    return this.#peerRates.get(address) ?? { inPerSecond: 0, outPerSecond: 0 };
  }

  #take(): void {
    const { clock, table } = this.#mesh;
    const millis = clock.monotonicMillis();
    const counted = countedBy(this.#mesh);
    const last = this.#last;
    if (last !== null && millis > last.millis) {
      const seconds = (millis - last.millis) / 1_000;
      const rates = { ...counted };
      for (const name of Object.keys(rates) as (keyof Rates)[])
        rates[name] = (counted[name] - last.counted[name]) / seconds;
      const { hhi, nakamoto } = table.chooser.stats();
      this.#samples.push({ at: clock.unixSeconds() * 1_000, rates, hhi, nakamoto });
      if (this.#samples.length > LIMITS.DASHBOARD_SAMPLES) this.#samples.shift();
      this.#takePeers(seconds);
    }
    this.#last = { millis, counted };
    this.#onSample?.();
    this.#timer = clock.after(LIMITS.DASHBOARD_MILLIS, () => {
      this.#take();
    });
  }

  #takePeers(seconds: number): void {
    const now = new Map<string, { readonly in: number; readonly out: number }>();
    const rates = new Map<string, PeerTraffic>();
    for (const { address, packetsIn, packetsOut } of this.#mesh.peers.list()) {
      const before = this.#peers.get(address) ?? { in: packetsIn, out: packetsOut };
      now.set(address, { in: packetsIn, out: packetsOut });
      rates.set(address, {
        inPerSecond: Math.max(0, packetsIn - before.in) / seconds,
        outPerSecond: Math.max(0, packetsOut - before.out) / seconds,
      });
    }
    this.#peers = now;
    this.#peerRates = rates;
  }
}

function countedBy({ counters }: MeshModule): Counted {
  const { counts, refused } = counters.snapshot();
  const of = (name: string): number => counts[`packets_${name}`] ?? 0;
  return {
    received: of('received'),
    paid: of('paid'),
    free: of('free'),
    control: of('control'),
    delivered: of('delivered'),
    forwarded: of('forwarded'),
    refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
  };
}
