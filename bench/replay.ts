/** The replay table: keys that are held already, and keys that are not. */
import { randomBytes } from 'node:crypto';
import { sha256 } from '#dist/core/hash.js';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import { PlainReplayTable, type ReplayTable } from '#dist/replay/table.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { repeated } from './loops.js';
import type { Group, Task } from './suite.js';

const SECRET = new Uint8Array(randomBytes(16));
const KEYS = Array.from({ length: 4_096 }, () => new Uint8Array(randomBytes(32)));
const FAR_FUTURE = 4_000_000_000;

export function replay(): Group {
  const kernel = new WasmKernel(compileKernel(), SECRET);
  const filled = <T extends ReplayTable>(table: T): T => {
    for (const key of KEYS) table.claim(key, FAR_FUTURE);
    return table;
  };
  const plain = filled(new PlainReplayTable(1 << 18));
  const shared = filled(SharedReplayTable.create(kernel, 1 << 18));
  const hit = (name: string, table: ReplayTable): Task =>
    repeated(name, 'checks/s', 4_096, (i) => table.claim(KEYS[i] ?? SECRET, FAR_FUTURE));
  const miss = (name: string, table: ReplayTable): Task => {
    const strangers = KEYS.map((key) => sha256(key));
    return repeated(name, 'checks/s', 4_096, (i) => table.has(strangers[i] ?? SECRET));
  };
  return {
    name: 'replay check at 4,096 keys',
    tasks: [
      hit('hit, plain', plain),
      hit('hit, shared', shared),
      miss('miss, plain', plain),
      miss('miss, shared', shared),
    ],
  };
}
