/**
 * The replay table under load: threads that race for the same keys while it grows and forgets, and threads that fill it
 * to millions of keys. Rules: architecture.md (replay table); payments.md, cheats 30 and 45: a key is won exactly once.
 *
 * This thread owns the table, as the main thread of a module does.
 */
import { Worker } from 'node:worker_threads';
import { SeededRandom } from '../core/random.js';
import { FINGERPRINT_SECRET_BYTES } from '../replay/fingerprint.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import { compileKernel, WasmKernel } from '../wasm/kernel.js';
import { raceKey, type RacerStart } from './replay-race.js';

/** Seen from src/ and from dist/ alike: threads run the built file. */
const RACER_FILE = new URL('../../dist/stress/replay-racer.js', import.meta.url);

const THREADS = 3;
/** Keys by which a thread may be ahead of the slowest in a race. */
const RACE_LEAD = 8;
/** In a race about 4,000 keys are remembered at a time: 64 to a time bucket, 60 time buckets. */
const RACE_KEY_SECONDS = 16;
const RACE_CAPACITY = 16_384;
/** Keys of one race's table: then another one grows from nothing. */
const RACE_KEYS = 10_000;
const TENDS_PER_TURN = 256;
/** The bound on memory holds from here on. */
const BOUND_FROM_KEYS = 65_536;
const MOST_BYTES_PER_KEY = 32;
const SHOWN_KEYS = 5;

export interface ReplayCampaignOptions {
  /** Keys that three threads claim at the same time. */
  readonly races: number;
  /** Keys to which a table is filled by three threads. */
  readonly keys: number;
  readonly seed: number;
  /** Told of keys that every thread is done with, of `races + keys`. */
  readonly onProgress?: (done: number, of: number) => void;
}

export interface ReplayCampaignResult {
  /** Keys claimed by all threads. */
  readonly keys: number;
  /** Claims that lost. */
  readonly losses: number;
  /** Claims that had to wait for room, since the table grew too slowly. */
  readonly refused: number;
  readonly shards: number;
  /** The most that a table of 65,536 keys or more used; 0 where none was that large. */
  readonly mostBytesPerKey: number;
  /** The longest claim, in microseconds, time in which the thread did not run included. */
  readonly slowestClaimMicros: number;
  /** What must not be. */
  readonly violations: readonly string[];
}

interface Part {
  readonly name: string;
  readonly seed: number;
  readonly keys: number;
  readonly capacity: number;
  readonly lead: number | null;
  readonly keySeconds: number;
  readonly onProgress: (done: number) => void;
}

/** Runs the campaign; what it found is in the result. */
export async function runReplayCampaign(options: ReplayCampaignOptions): Promise<ReplayCampaignResult> {
  const { races, keys, seed, onProgress } = options;
  let result: ReplayCampaignResult = {
    keys: 0,
    losses: 0,
    refused: 0,
    shards: 0,
    mostBytesPerKey: 0,
    slowestClaimMicros: 0,
    violations: [],
  };
  const run = async (part: Omit<Part, 'onProgress'>): Promise<void> => {
    const before = result.keys;
    const tell = (done: number): void => onProgress?.(before + done, races + keys);
    result = sum(result, await runPart({ ...part, onProgress: tell }));
  };
  for (let done = 0; done < races; done += RACE_KEYS) {
    await run({
      name: `race ${done / RACE_KEYS + 1}`,
      seed: seed + done,
      keys: Math.min(RACE_KEYS, races - done),
      capacity: RACE_CAPACITY,
      lead: RACE_LEAD,
      keySeconds: RACE_KEY_SECONDS,
    });
  }
  if (keys > 0) await run({ name: 'growth', seed, keys, capacity: keys, lead: null, keySeconds: 0 });
  return result;
}

async function runPart(part: Part): Promise<ReplayCampaignResult> {
  const { name, keys, lead } = part;
  const secret = new SeededRandom(part.seed).bytes(FINGERPRINT_SECRET_BYTES);
  const kernel = compileKernel();
  const table = SharedReplayTable.create(new WasmKernel(kernel, secret), part.capacity);
  const shared = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * THREADS));
  const [progress, taken, slowest] = [shared(), shared(), shared()];
  const wins = new Uint8Array(new SharedArrayBuffer(keys));
  const racers = Array.from({ length: THREADS }, (_, self) => {
    const { memory } = table;
    const { seed, keySeconds } = part;
    const threads = THREADS;
    const workerData: RacerStart = {
      ...{
        memory,
        kernel,
        secret,
        seed,
        self,
        threads,
        keys,
        lead,
        keySeconds,
        progress,
        taken,
        wins,
        slowest,
      },
    };
    return new Worker(RACER_FILE, { workerData });
  });
  const violations: string[] = [];
  let mostBytesPerKey = 0;
  let shards = 0;
  let isOver = false;
  const ended = Promise.all(racers.map(end)).finally(() => (isOver = true));
  // Waited for below: a thread that fails ends the loop.
  ended.catch(() => undefined);
  while (!isOver) {
    const done = Math.min(...progress.map((_, self) => Atomics.load(progress, self)));
    for (let i = 0; i < TENDS_PER_TURN; i++) table.tend();
    table.expire(done * part.keySeconds);
    const stats = table.stats();
    if (stats.shards !== shards && stats.keys >= BOUND_FROM_KEYS) {
      mostBytesPerKey = Math.max(mostBytesPerKey, stats.bytes / stats.keys);
    }
    shards = stats.shards;
    part.onProgress(done);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;

  const wrong = [...wins.entries()].filter(([, winners]) => winners !== 1);
  for (const [key, winners] of wrong.slice(0, SHOWN_KEYS)) {
    violations.push(`${name}: key ${key} was won ${winners} times`);
  }
  if (wrong.length > 0) violations.push(`${name}: ${wrong.length} keys were not won exactly once`);
  const losses = taken.reduce((total, count) => total + count, 0);
  if (losses !== (THREADS - 1) * keys) violations.push(`${name}: ${losses} claims lost`);
  if (mostBytesPerKey > MOST_BYTES_PER_KEY) violations.push(`${name}: ${mostBytesPerKey} bytes per key`);
  if (lead === null) {
    let lost = 0;
    for (let number = 0; number < keys; number++) if (!table.has(raceKey(number))) lost++;
    if (lost > 0) violations.push(`${name}: ${lost} keys are not there any more`);
    if (table.stats().keys !== keys) violations.push(`${name}: counts ${table.stats().keys} keys of ${keys}`);
  }
  return {
    keys,
    losses,
    refused: table.stats().refused,
    shards,
    mostBytesPerKey,
    slowestClaimMicros: Math.max(...slowest),
    violations,
  };
}

function end(racer: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    racer.once('error', reject);
    racer.once('exit', () => {
      resolve();
    });
  });
}

function sum(one: ReplayCampaignResult, other: ReplayCampaignResult): ReplayCampaignResult {
  return {
    keys: one.keys + other.keys,
    losses: one.losses + other.losses,
    refused: one.refused + other.refused,
    shards: Math.max(one.shards, other.shards),
    mostBytesPerKey: Math.max(one.mostBytesPerKey, other.mostBytesPerKey),
    slowestClaimMicros: Math.max(one.slowestClaimMicros, other.slowestClaimMicros),
    violations: [...one.violations, ...other.violations],
  };
}
