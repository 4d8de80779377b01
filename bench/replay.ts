/**
 * The replay table at several sizes: used payments that are met again, new ones, and new ones that are claimed; the
 * memory that each key takes and the longest pause while the table grows to that size.
 */
import { randomBytes } from 'node:crypto';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import { PlainReplayTable, type ReplayTable } from '#dist/replay/table.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { atLeast, atMost, neverAbove, ratioAtLeast, type Reading, type Target } from './stats.js';
import type { Runner, Settings } from './suite.js';

const SIZES: readonly number[] = [10_000, 1_000_000, 10_000_000];
/** The size of which a rate of checks is promised (a claim writes as well), and the largest for a first look. */
const PROMISED_SIZE = 1_000_000;
const PROMISED_RATE = 1_000_000;
/** Of that rate at larger sizes. */
const PROMISED_SHARE = 0.6;

/** Checks of each kind in a round. */
const CHECKS = 200_000;
/** Of the index, where a check looks first: about 2.5 slots of 4 bytes for each key. */
const INDEX_BYTES = 10;
const MOST_CLAIMED_AT_ONCE = 20_000;
/** From here on the bound on memory holds. */
const BOUND_FROM_KEYS = 65_536;
const STEP_KEYS = 1_024;
/** Claims whose processor time is taken together: the clock of that is too slow for each. */
const CLAIMS_TIMED = 16;
const NOW = 1_800_000_000;
/** How long the keys of a table live: longer than the rounds make its time go on. */
const LIFE = 40 * 86_400;
/** Longer than a time bucket. */
const BUCKETS_SECONDS = 2_048;

/** A table that was filled to a size. */
interface Filled {
  readonly name: string;
  readonly keys: number;
  readonly table: ReplayTable;
  /** Most bytes per key while it grew, from BOUND_FROM_KEYS on; 0 where it never was that large. */
  readonly bytesPerKey: number;
  readonly slowestMicros: number;
  now: number;
}

type Kind = 'hit' | 'miss' | 'claim';
const KINDS: readonly Kind[] = ['hit', 'miss', 'claim'];

/** On one thread, which owns the tables. */
export function replay(): Runner {
  return { name: 'replay table', measure: (settings) => Promise.resolve(measure(settings)) };
}

function measure({ isQuick, rounds }: Settings): readonly Reading[] {
  const kernel = new WasmKernel(compileKernel(), randomBytes(16));
  const sizes = isQuick ? SIZES.filter((size) => size <= PROMISED_SIZE) : SIZES;
  const tables = [
    filled('a Map', SIZES[0] ?? 0, (capacity) => new PlainReplayTable(capacity)),
    ...sizes.map((size) => filled('shared', size, (capacity) => SharedReplayTable.create(kernel, capacity))),
  ];
  const rates = tables.map(() => ({ hit: [] as number[], miss: [] as number[], claim: [] as number[] }));
  const memory = new SharedArrayBuffer(INDEX_BYTES * (sizes.at(-1) ?? 0));
  // Memory that was never written is one page, however large.
  new Int32Array(memory).fill(1);
  const bounds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    tables.forEach((table, index) => {
      for (const kind of KINDS) rates[index]?.[kind].push(rateOf(table, kind));
    });
    // What a miss takes where all of the table is in the cache, and two lines that are in none.
    const cached = 1 / (rates[1]?.miss.at(-1) ?? NaN);
    bounds.push(1 / (cached + coldSeconds(memory)));
  }
  const readings = tables.flatMap((table, index) =>
    KINDS.map((kind): Reading => ({
      name: nameOf(table.name, table.keys, kind),
      unit: 'checks/s',
      samples: rates[index]?.[kind] ?? [],
      ...comparisonOf(table, kind),
    })),
  );
  const [smallest = 0, largest = 0] = [sizes[0], sizes.at(-1)];
  const bound: Reading = {
    name: `miss as in ${smallest.toLocaleString('en')} keys, and two cold lines of ${largest.toLocaleString('en')}`,
    unit: 'checks/s',
    samples: bounds,
    reference: nameOf('shared', PROMISED_SIZE, 'miss'),
  };
  return [...readings, bound, ...tables.slice(1).flatMap(growthOf)];
}

/**
 * Seconds for two words at random places of a memory: what a miss must read of an index as large. They are read at once,
 * but not before those of the last time: a check is longer than what a processor looks ahead.
 */
function coldSeconds(memory: SharedArrayBuffer): number {
  const words = new Int32Array(memory);
  const mask = 2 ** Math.floor(Math.log2(words.length)) - 1;
  let before = 0;
  const began = performance.now();
  for (let i = 0; i < CHECKS; i++) {
    const first = (Math.imul(i, 0x9e37_79b1) + before) & mask;
    const second = (Math.imul(i, 0x85eb_ca6b) ^ (0x5555_5555 + before)) & mask;
    // All words are 1.
    before = Atomics.load(words, first) + Atomics.load(words, second) - 2;
  }
  const millis = performance.now() - began;
  if (before !== 0) throw new Error('all words were written');
  return millis / 1_000 / CHECKS;
}

function nameOf(table: string, keys: number, kind: string): string {
  return `${kind}, ${table}, ${keys.toLocaleString('en')} keys`;
}

/** Of small tables to a Map of the same size, of larger ones to that of the promised size. */
function comparisonOf({ name, keys }: Filled, kind: Kind): { reference?: string; target?: Target } {
  if (name !== 'shared') return {};
  if (keys < PROMISED_SIZE) return { reference: nameOf('a Map', keys, kind) };
  if (keys === PROMISED_SIZE) return kind === 'claim' ? {} : { target: atLeast(PROMISED_RATE) };
  return { reference: nameOf('shared', PROMISED_SIZE, kind), target: ratioAtLeast(PROMISED_SHARE) };
}

function growthOf({ name, keys, bytesPerKey, slowestMicros }: Filled): readonly Reading[] {
  if (keys < BOUND_FROM_KEYS) return [];
  return [
    {
      name: nameOf(name, keys, 'most memory of a key while it grew'),
      unit: 'B',
      samples: [bytesPerKey],
      target: neverAbove(32),
    },
    {
      name: nameOf(name, keys, `slowest ${CLAIMS_TIMED} claims while it grew`),
      unit: 'us',
      samples: [slowestMicros],
      target: atMost(1_000),
    },
  ];
}

/** A table of `keys` keys, with room for as many again as are claimed at once. */
function filled(name: string, keys: number, make: (capacity: number) => ReplayTable): Filled {
  const table = make(keys + 2 * MOST_CLAIMED_AT_ONCE);
  table.expire(NOW);
  const key = new Uint8Array(32);
  let bytesPerKey = 0;
  let slowestMicros = 0;
  let before = moment();
  for (let number = 0; number < keys; number++) {
    table.claim(numbered(key, number), NOW + LIFE);
    if (number % CLAIMS_TIMED === CLAIMS_TIMED - 1) {
      const after = moment();
      // The first ones are not compiled yet.
      if (number > keys / 2) slowestMicros = Math.max(slowestMicros, microsBetween(before, after));
      before = after;
    }
    if (number < BOUND_FROM_KEYS || number % STEP_KEYS !== 0) continue;
    const stats = table.stats();
    bytesPerKey = Math.max(bytesPerKey, stats.bytes / stats.keys);
    before = moment();
  }
  return { name, keys, table, bytesPerKey, slowestMicros, now: NOW };
}

/** Checks per second of one kind, over a round. */
function rateOf(filled: Filled, kind: Kind): number {
  const { table, keys } = filled;
  const key = new Uint8Array(32);
  const chunk = kind === 'claim' ? Math.min(MOST_CLAIMED_AT_ONCE, keys / 5) : CHECKS;
  let millis = 0;
  for (let done = 0; done < CHECKS; done += chunk) {
    const began = performance.now();
    for (let i = 0; i < chunk; i++) {
      // Spread over all keys, as payments are.
      const number = Math.imul(done + i, 0x9e37_79b1) >>> 0;
      if (kind === 'hit') table.claim(numbered(key, number % keys), NOW + LIFE);
      else if (kind === 'miss') table.has(numbered(key, number, 1));
      else table.claim(numbered(key, done + i, 2), filled.now + 1);
    }
    millis += performance.now() - began;
    if (kind === 'claim') forget(filled);
  }
  return (1_000 * CHECKS) / millis;
}

/** Lets the time of the keys that were claimed last run out. */
function forget(filled: Filled): void {
  const { table, keys } = filled;
  if (filled.now + BUCKETS_SECONDS > NOW + LIFE) throw new Error('the round is longer than the keys live');
  filled.now += BUCKETS_SECONDS;
  while (table.stats().keys > keys) table.expire(filled.now);
}

interface Moment {
  readonly micros: number;
  readonly cpuMicros: number;
}

function moment(): Moment {
  const { user, system } = process.cpuUsage();
  return { micros: 1_000 * performance.now(), cpuMicros: user + system };
}

/** The clock runs on while others use the machine, processor time holds that of helping threads: the lesser is true. */
function microsBetween(before: Moment, after: Moment): number {
  return Math.min(after.micros - before.micros, after.cpuMicros - before.cpuMicros);
}

function numbered(key: Uint8Array, number: number, family = 0): Uint8Array {
  for (let i = 0; i < 4; i++) key[i] = number >>> (8 * i);
  key[4] = family;
  return key;
}
