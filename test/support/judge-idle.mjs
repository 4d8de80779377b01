// Prints the share of one core, in percent, that a pool of two workers takes while it has nothing to do.
import { nodeIdOf } from '../../dist/core/ids.js';
import { VerdictPool } from '../../dist/pool/verdict-pool.js';
import { PlainFingerprinter } from '../../dist/replay/fingerprint.js';
import { SharedReplayTable } from '../../dist/replay/shared-table.js';
import { ordinaryPolicy } from '../../dist/stress/ordinary-policy.js';

const WINDOW_MILLIS = 1_000;
const secret = new Uint8Array(16);
const pool = await VerdictPool.start({
  workers: 2,
  policy: ordinaryPolicy(nodeIdOf(new Uint8Array(32))),
  table: SharedReplayTable.create(new PlainFingerprinter(secret), 1_024).memory,
  secret,
  log: { log: () => undefined },
  clock: { unixSeconds: () => 1_800_000_000 },
});
const sender = { previousHop: null, origin: 'peer', peer: 'a' };
await Promise.all(
  Array.from(
    { length: 1_000 },
    () => new Promise((resolve) => pool.judge(new Uint8Array(9), sender, resolve)),
  ),
);
const before = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, WINDOW_MILLIS));
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 10 / WINDOW_MILLIS);
await pool.close();
