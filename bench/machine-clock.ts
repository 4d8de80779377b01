/** The clock that all threads share: `performance.now` begins anew on each. */

const NANOS_PER_MILLI = 1e6;

export function machineMillis(): number {
  return millisOf(machineNanos());
}

export function machineNanos(): bigint {
  return process.hrtime.bigint();
}

export function millisOf(nanos: bigint): number {
  return Number(nanos) / NANOS_PER_MILLI;
}
