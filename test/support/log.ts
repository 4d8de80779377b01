// A log that keeps its lines, for tests that look at them.
import type { Log, LogLevel } from '../../src/core/ports.js';

export interface KeptLog extends Log {
  readonly lines: { readonly level: LogLevel; readonly message: string }[];
}

export function testLog(): KeptLog {
  const lines: { level: LogLevel; message: string }[] = [];
  return { lines, log: (level, message) => lines.push({ level, message }) };
}
