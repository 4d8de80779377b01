/**
 * What a shared replay table says of itself, read from its memory by any thread, while others work on it: so every
 * figure is nearly right. Contract: ReplayStats in table.ts.
 */
import { HELD, KeyIndex, stateOf } from './key-index.js';
import {
  BUCKET_SLOTS,
  bytesInUse,
  KEYS,
  REFUSED,
  SHARD_WORDS,
  SHARDS,
  type Layout,
} from './shared-layout.js';
import type { ReplayStats } from './table.js';

/** Buckets that are looked at for the mean number of probes. */
const SAMPLED_BUCKETS = 32;

export function sharedStats(words: Int32Array, layout: Layout): ReplayStats {
  const shards = Atomics.load(words, SHARDS);
  let fullest = 0;
  let emptiest = layout.shardSlots;
  for (let shard = 0; shard < shards; shard++) {
    const keys = Atomics.load(words, layout.shards + SHARD_WORDS * shard);
    fullest = Math.max(fullest, keys);
    emptiest = Math.min(emptiest, keys);
  }
  const keys = Atomics.load(words, KEYS);
  return {
    keys,
    capacity: layout.capacity,
    refused: Atomics.load(words, REFUSED),
    bytes: bytesInUse(words, layout),
    shards,
    load: keys / (shards * layout.shardSlots),
    fullestShard: fullest / layout.shardSlots,
    emptiestShard: emptiest / layout.shardSlots,
    probes: meanProbes(words, layout, shards),
  };
}

/** Buckets that a check reads until it finds a key that is held: of a sample spread over all shards. */
function meanProbes(words: Int32Array, layout: Layout, shards: number): number {
  const index = new KeyIndex(words, layout);
  let keys = 0;
  let probes = 0;
  for (let n = 0; n < SAMPLED_BUCKETS; n++) {
    const shard = Math.floor((n * shards) / SAMPLED_BUCKETS);
    const bucket = n % layout.buckets;
    const start = index.startOf(shard) + bucket * BUCKET_SLOTS;
    for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
      const control = Atomics.load(words, slot);
      if (stateOf(control) !== HELD) continue;
      index.aimAtEntry(index.entryOf(control));
      keys++;
      probes += index.isFirstBucket(bucket) ? 1 : 2;
    }
  }
  return keys === 0 ? 0 : probes / keys;
}
