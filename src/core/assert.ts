/** Assertions: what they report is a bug of this program, never bad input. */

/**
 * Stops on a broken assumption of our own.
 * @throws Error when the condition is false
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/**
 * The value, which an invariant says is there.
 * @throws Error when it is undefined or null
 */
export function present<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new Error(`assertion failed: ${message}`);
  return value;
}
