/**
 * The worker-kill campaign: threads die in the middle of batches, at every step of a packet, while every payment is
 * offered several times at once.
 *
 * Rules: payments.md, any proof, 4 and 5; architecture.md (a worker that dies loses no packet). Every packet gets
 * exactly one verdict, no payment is claimed twice, and what is refused is refused as a replay, or because nobody can
 * tell any more whether it was claimed.
 */
import { systemClock } from '../core/clock.js';
import { SeededRandom } from '../core/random.js';
import { Reason, reasonName } from '../core/reasons.js';
import { VerdictPool } from '../pool/verdict-pool.js';
import { FINGERPRINT_SECRET_BYTES } from '../replay/fingerprint.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import { WasmKernel } from '../wasm/kernel.js';
import { OverloadPackets } from './overload-packets.js';

export interface WorkerKillOptions {
  readonly payments: number;
  readonly seed: number;
  readonly workers?: number;
  /** Called after each window of payments. */
  readonly onProgress?: (payments: number, workersLost: number) => void;
}

export interface WorkerKillResult {
  readonly payments: number;
  readonly packets: number;
  readonly claimed: number;
  readonly replayed: number;
  /** Refused since their worker may have claimed their payment as it died. */
  readonly unknown: number;
  readonly workersLost: number;
  readonly seconds: number;
  /** In words; empty where all is well. */
  readonly violations: readonly string[];
}

/** Each payment is offered so often at once. */
const COPIES = 3;
const WINDOW_PAYMENTS = 256;

/** Seen from src/ and from dist/ alike: threads run the built file. */
const WORKER_FILE = new URL('../../dist/stress/dying-worker.js', import.meta.url);

const silent = { log: () => undefined };

/** Runs a whole campaign. @throws MeshError where the workers cannot start */
export async function runWorkerKillCampaign(options: WorkerKillOptions): Promise<WorkerKillResult> {
  const startedAt = performance.now();
  const random = new SeededRandom(options.seed);
  const packets = new OverloadPackets(random, systemClock.unixSeconds());
  const secret = random.bytes(FINGERPRINT_SECRET_BYTES);
  const kernel = WasmKernel.load(secret);
  const table = SharedReplayTable.create(kernel, Math.max(65_536, options.payments * 2));
  const pool = await VerdictPool.start({
    workers: options.workers ?? 2,
    table: table.memory,
    secret,
    log: silent,
    policy: packets.policy,
    clock: systemClock,
    workerFile: WORKER_FILE,
  });
  const violations: string[] = [];
  let [claimed, replayed, unknown, offered] = [0, 0, 0, 0];
  let payments = 0;
  try {
    while (payments < options.payments && violations.length === 0) {
      const window = Math.min(WINDOW_PAYMENTS, options.payments - payments);
      const answered: Promise<void>[] = [];
      for (let index = 0; index < window; index++) {
        const number = payments + index;
        const bytes = packets.paid();
        let wins = 0;
        for (let copy = 0; copy < COPIES; copy++) {
          offered += 1;
          let verdicts = 0;
          answered.push(
            new Promise((resolve) => {
              pool.judge(bytes, packets.senderOf(`peer-${copy}`), ({ kind, reason }) => {
                if (++verdicts > 1) violations.push(`a packet of payment ${number} got ${verdicts} verdicts`);
                if (kind === 'paid') {
                  claimed += 1;
                  if (++wins > 1) violations.push(`payment ${number} was claimed ${wins} times`);
                } else if (reason === Reason.ReplayedPayment) replayed += 1;
                else if (reason === Reason.JudgeUnavailable) unknown += 1;
                else violations.push(`payment ${number} was refused as ${reasonName(reason)}`);
                resolve();
              });
            }),
          );
        }
      }
      await Promise.all(answered);
      table.expire(systemClock.unixSeconds());
      payments += window;
      options.onProgress?.(payments, pool.stats().workersLost);
    }
    if (claimed + replayed + unknown !== offered) violations.push('some packets got no verdict');
    const { workersLost } = pool.stats();
    const seconds = (performance.now() - startedAt) / 1_000;
    return { payments, packets: offered, claimed, replayed, unknown, workersLost, seconds, violations };
  } finally {
    await pool.close();
  }
}
