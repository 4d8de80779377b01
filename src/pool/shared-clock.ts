/** The one clock that all threads of the process have in common: `performance.now` begins anew on each. */

/** Milliseconds, with fractions. */
export function sharedMillis(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1_000 + nanos / 1_000_000;
}
