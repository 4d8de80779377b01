/**
 * When a used key is forgotten: keys are filed by time buckets, so that a whole bucket is forgotten at once.
 *
 * Rules: architecture.md (replay table: forgets by time bucket in O(bucket)). A key is never forgotten early. It
 * stays for up to one bucket's width longer: 17 minutes where its time is within a day and a half, and about a
 * quarter of what was left where it is later. So there are few buckets, whatever times payers choose.
 */
import { assert } from '../core/assert.js';

/** Widths of the buckets of each level, in seconds: 17 minutes, 9 hours, 12 days, 1 year. */
const WIDTHS: readonly number[] = [1 << 10, 1 << 15, 1 << 20, 1 << 25];

/** Buckets of one level that can be open at a time. */
const LEVEL_POSITIONS = 128;
/** Buckets ahead of the present one that a key may be filed in: fewer than there are, so that none is met twice. */
const REACH = 126;

/** Open buckets of all levels. */
export const WHEEL_POSITIONS: number = WIDTHS.length * LEVEL_POSITIONS;

/** The latest time that is told apart, in Unix seconds; what expires later is never forgotten. */
export const LAST_SECOND = 0xffff_ffff;

/** Above any bucket number: all of the narrowest buckets up to LAST_SECOND. */
const LEVEL_FACTOR = 1 << 23;

/** The present time as tables count it: whole seconds, never going back. */
export function laterSecond(before: number, nowSeconds: number): number {
  return Math.min(Math.max(before, Math.floor(nowSeconds)), LAST_SECOND);
}

/**
 * The time bucket of a key, as a number that names its level and its end.
 * @param expiresAt Unix seconds, the last at which the key must be remembered
 * @param now the time up to which buckets were closed
 */
export function bucketOf(expiresAt: number, now: number): number {
  const due = Math.min(Math.max(Math.ceil(expiresAt), now) + 1, LAST_SECOND + 1);
  let level = 0;
  for (; level < WIDTHS.length - 1; level++) {
    const width = widthOf(level);
    const end = Math.ceil(due / width);
    if (end - Math.floor(now / width) <= REACH) return level * LEVEL_FACTOR + end;
  }
  return level * LEVEL_FACTOR + Math.ceil(due / widthOf(level));
}

/** The second from which on the keys of a bucket are forgotten. */
export function endOf(bucket: number): number {
  return (bucket % LEVEL_FACTOR) * widthOf(Math.floor(bucket / LEVEL_FACTOR));
}

/** Which of WHEEL_POSITIONS a bucket has: its own as long as it is open. */
export function positionOf(bucket: number): number {
  return Math.floor(bucket / LEVEL_FACTOR) * LEVEL_POSITIONS + (bucket % LEVEL_POSITIONS);
}

/** Calls back with the position of each bucket that ends after one time and not after another: at most all of them. */
export function forEachEnded(before: number, now: number, close: (position: number) => void): void {
  for (let level = 0; level < WIDTHS.length; level++) {
    const width = widthOf(level);
    const first = Math.floor(before / width) + 1;
    const last = Math.min(Math.floor(now / width), first + LEVEL_POSITIONS - 1);
    for (let end = first; end <= last; end++) close(level * LEVEL_POSITIONS + (end % LEVEL_POSITIONS));
  }
}

function widthOf(level: number): number {
  const width = WIDTHS[level];
  assert(width !== undefined, 'a bucket has a known level');
  return width;
}
