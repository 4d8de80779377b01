/**
 * What the replay campaign (replay-campaign.ts) and its threads (replay-racer.ts) agree on.
 */
import type { KernelModule } from '../wasm/kernel.js';

/** How long a key must be remembered, in seconds of the race's own time. */
export const RACE_LIFE_SECONDS = 61_440;

export interface RacerStart {
  readonly memory: SharedArrayBuffer;
  readonly kernel: KernelModule;
  readonly secret: Uint8Array;
  readonly seed: number;
  /** This thread's number, and how many there are. */
  readonly self: number;
  readonly threads: number;
  readonly keys: number;
  /** Keys by which a thread may be ahead of the slowest; null where each begins elsewhere, and nobody waits. */
  readonly lead: number | null;
  /** Seconds of the race's time from one key to the next. */
  readonly keySeconds: number;
  /** By thread: keys done. Words. */
  readonly progress: Int32Array;
  /** By thread: claims that were refused as taken. */
  readonly taken: Int32Array;
  /** By key: how many won it. */
  readonly wins: Uint8Array;
  /** By thread: the longest claim, in microseconds. */
  readonly slowest: Int32Array;
}

/** A key of 32 bytes by its number. */
export function raceKey(number: number, key: Uint8Array = new Uint8Array(32)): Uint8Array {
  for (let i = 0; i < 4; i++) key[i] = number >>> (8 * i);
  return key;
}
