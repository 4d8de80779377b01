/** `blvm-mesh crash-campaign` and the other campaigns. Exit codes: 0 clean, 1 a violation, 2 misuse. */
import { Command } from 'commander';
import { MAX_SEED, wholeBetween } from '../api/fuzz/arguments.js';
import { runCrashCampaign } from './crash.js';
import { runFloodCampaign, shareOf, type FloodPart } from './flood.js';
import { runReplayCampaign } from './replay-campaign.js';
import { reportCampaign, seedOr } from './report.js';
import { runOverloadCampaign, type HonestPart } from './overload.js';
import { runTwinCampaign } from './twins.js';
import { runWorkerKillCampaign } from './worker-kills.js';

const MAX_ROUNDS = 1_000_000;
const MAX_PACKETS = 100_000_000;
const MAX_KEYS = 10_000_000;
const MAX_WORKERS = 64;
const MAX_HONEST_RATE = 10_000;
const LEAST_SECONDS = 8;
const MAX_SECONDS = 86_400;

interface CampaignFlags {
  readonly seed?: number;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode, as by all below. */
export function crashCommand(): Command {
  return campaignCommand('crash-campaign')
    .description('kill modules with SIGKILL under load; no payment may be lost or accepted twice')
    .option('--rounds <N>', 'kills under load', wholeBetween(1, MAX_ROUNDS), 30)
    .addHelpText(
      'after',
      `
Three real modules on a development network carry paid packets. In each round one of them is killed at a random point,
what it left on disk is checked against what it had promised, and after its restart every payment that is used there is
offered again.

Example:
  $ blvm-mesh crash-campaign --rounds 100 --seed 1`,
    )
    .action(async ({ rounds, seed: given, json }: CampaignFlags & { readonly rounds: number }) => {
      const seed = seedOr(given);
      process.exitCode = await reportCampaign({
        command: 'crash-campaign',
        again: `--rounds ${rounds}`,
        seed,
        json: json === true,
        unit: 'rounds',
        total: rounds,
        run: (onProgress) =>
          runCrashCampaign({
            rounds,
            seed,
            onProgress: (done, { keys, replays }) => {
              onProgress(done, `${keys} keys, ${replays} replays refused`);
            },
          }),
        rows: (result) => [
          ['rounds', result.rounds],
          ['kills (SIGKILL)', result.kills],
          ['payments made', result.payments],
          ['keys used, over all nodes', result.keys],
          ['packets delivered', result.delivered],
          ['used payments offered again', result.replays],
          ['seconds', result.seconds.toFixed(1)],
        ],
      });
    });
}

export function twinCommand(): Command {
  return campaignCommand('twin-campaign')
    .description('judge one trace of packets plainly and by the fast engine; both must say the same of each')
    .option(
      '--packets <N>',
      'honest, hostile and broken ones, mixed',
      wholeBetween(1, MAX_PACKETS),
      1_000_000,
    )
    .option('--workers <N>', 'threads of the fast engine', wholeBetween(1, MAX_WORKERS), 2)
    .addHelpText(
      'after',
      `
The plain judge works on one thread, without WebAssembly and with a replay table that is a Map; the fast engine on
worker threads with shared memory. One packet in 32 has an invoice of its own, signed for it; the others use earlier
payments again, with or without lies, or none. Reason, kind, amount, price, key, payee and id must be the same.

Example:
  $ blvm-mesh twin-campaign --packets 1000000 --seed 1`,
    )
    .action(async (flags: CampaignFlags & { readonly packets: number; readonly workers: number }) => {
      const { packets, workers, json } = flags;
      const seed = seedOr(flags.seed);
      process.exitCode = await reportCampaign({
        command: 'twin-campaign',
        again: `--packets ${packets} --workers ${workers}`,
        seed,
        json: json === true,
        unit: 'packets',
        total: packets,
        run: (onProgress) =>
          runTwinCampaign({
            packets,
            seed,
            workers,
            onProgress: (done, claimed) => {
              onProgress(done, `${claimed} payments claimed`);
            },
          }),
        rows: ({ groups, reasons, claimed, seconds }) => [
          ...Object.entries(groups).map(([group, count]) => [`packets, ${group}`, count] as const),
          ...Object.entries(reasons).map(([reason, count]) => [`verdicts, ${reason}`, count] as const),
          ['payments claimed', claimed],
          ['seconds', seconds.toFixed(1)],
        ],
      });
    });
}

export function overloadCommand(): Command {
  return campaignCommand('overload-campaign')
    .description('flood the engine from one peer with five times its capacity; honest peers must not feel it')
    .option('--seconds <N>', 'in all', wholeBetween(LEAST_SECONDS, MAX_SECONDS), 20)
    .option('--minutes <N>', 'in all, instead of seconds', wholeBetween(1, MAX_SECONDS / 60))
    .option('--workers <N>', 'threads that judge', wholeBetween(1, MAX_WORKERS), 1)
    .addHelpText(
      'after',
      `
First only the honest peers send, half of what the workers can judge; then one peer adds nine times as much, most of it
junk that costs a signature; then the honest ones are alone again. Honest peers must keep 90 % of their paid throughput
and a p99 of at most ten times; memory must stay flat; every packet must be accounted for. The generator of the load
runs on the main thread: leave it a core.

Example:
  $ blvm-mesh overload-campaign --minutes 10 --seed 1`,
    )
    .action(async (flags: OverloadFlags) => {
      const { workers, json, minutes } = flags;
      const seed = seedOr(flags.seed);
      const seconds = minutes === undefined ? flags.seconds : minutes * 60;
      process.exitCode = await reportCampaign({
        command: 'overload-campaign',
        again: `--seconds ${seconds} --workers ${workers}`,
        seed,
        json: json === true,
        unit: 'seconds',
        total: seconds,
        run: async (onProgress) => {
          const { missed, violations, ...result } = await runOverloadCampaign({
            seconds,
            seed,
            workers,
            onProgress,
          });
          return { ...result, violations: [...violations, ...missed] };
        },
        rows: (result) => [
          ['capacity, signatures a second', result.capacity],
          ['offered in the flood, times capacity', result.timesCapacity.toFixed(1)],
          ...honestRows('alone', result.alone),
          ...honestRows('in the flood', result.flood),
          ...honestRows('a second after it', result.after),
          ['resident MiB, early and late in the flood', result.residentMib.map(Math.round).join(', ')],
          ['packets offered', result.offered],
          ['packets accepted, durable', result.accepted],
          ...Object.entries(result.refused).map(([reason, count]) => [`refused, ${reason}`, count] as const),
          ['seconds', result.seconds.toFixed(1)],
        ],
      });
    });
}

export function floodCommand(): Command {
  return campaignCommand('flood-campaign')
    .description(
      'flood a node over its real transport from one peer; what honest peers send must still arrive',
    )
    .option('--seconds <N>', 'in all', wholeBetween(LEAST_SECONDS, MAX_SECONDS), 20)
    .option('--rate <N>', 'paid packets a second of the honest peers', wholeBetween(1, MAX_HONEST_RATE), 200)
    .option('--workers <N>', 'threads that judge', wholeBetween(1, MAX_WORKERS), 1)
    .addHelpText(
      'after',
      `
A real module in a process of its own listens; four honest peers send paid packets through it to a fifth, by TLS. Then one
more peer floods, as fast as its connections take it: noise under ever new ids, since each is soon cut off, and well-made
packets that are worth nothing. 90 % of what honest peers offer must arrive in the flood; every packet that the node has
received must be accounted for; its memory must stay flat.

Example:
  $ blvm-mesh flood-campaign --seconds 60 --seed 1`,
    )
    .action(async (flags: FloodFlags) => {
      const { seconds, rate, workers, json } = flags;
      const seed = seedOr(flags.seed);
      process.exitCode = await reportCampaign({
        command: 'flood-campaign',
        again: `--seconds ${seconds} --rate ${rate} --workers ${workers}`,
        seed,
        json: json === true,
        unit: 'seconds',
        total: seconds,
        run: async (onProgress) => {
          const options = { seconds, seed, workers, honestRate: rate, onProgress };
          const { missed, violations, ...result } = await runFloodCampaign(options);
          return { ...result, violations: [...violations, ...missed] };
        },
        rows: (result) => [
          floodRow('alone', result.alone),
          floodRow('in the flood', result.flood),
          floodRow('after it', result.after),
          ['frames of the flood a second', Math.round(result.floodPerSecond)],
          ['its connections that were cut off', result.cutOff],
          ['resident MiB, early and late in the flood', result.residentMib.map(Math.round).join(', ')],
          ['packets received', result.received],
          ...Object.entries(result.refused).map(([reason, count]) => [`refused, ${reason}`, count] as const),
          ['seconds', result.seconds.toFixed(1)],
        ],
      });
    });
}

export function workerKillCommand(): Command {
  return campaignCommand('worker-kill-campaign')
    .description('worker threads die at every step of a packet; no packet is lost, no payment claimed twice')
    .option('--payments <N>', 'each offered three times at once', wholeBetween(1, MAX_PACKETS), 20_000)
    .option('--workers <N>', 'threads that judge', wholeBetween(1, MAX_WORKERS), 2)
    .addHelpText('after', '\nExample:\n  $ blvm-mesh worker-kill-campaign --payments 100000 --seed 1')
    .action(async (flags: CampaignFlags & { readonly payments: number; readonly workers: number }) => {
      const { payments, workers, json } = flags;
      const seed = seedOr(flags.seed);
      process.exitCode = await reportCampaign({
        command: 'worker-kill-campaign',
        again: `--payments ${payments} --workers ${workers}`,
        seed,
        json: json === true,
        unit: 'payments',
        total: payments,
        run: (onProgress) =>
          runWorkerKillCampaign({
            payments,
            seed,
            workers,
            onProgress: (done, lost) => {
              onProgress(done, `${lost} workers lost`);
            },
          }),
        rows: (result) => [
          ['payments', result.payments],
          ['packets', result.packets],
          ['claimed', result.claimed],
          ['refused as replayed', result.replayed],
          ['refused, since their worker died', result.unknown],
          ['workers lost', result.workersLost],
          ['seconds', result.seconds.toFixed(1)],
        ],
      });
    });
}

export function replayCommand(): Command {
  return campaignCommand('replay-campaign')
    .description('threads race for the same payments in the shared replay table; each is claimed once')
    .option('--races <N>', 'keys that all threads claim at once', wholeBetween(1, MAX_PACKETS), 100_000)
    .option('--keys <N>', 'keys to which a table grows under load', wholeBetween(1, MAX_KEYS), 1_000_000)
    .addHelpText('after', '\nExample:\n  $ blvm-mesh replay-campaign --races 100000 --keys 10000000 --seed 1')
    .action(async (flags: CampaignFlags & { readonly races: number; readonly keys: number }) => {
      const { races, keys, json } = flags;
      const seed = seedOr(flags.seed);
      process.exitCode = await reportCampaign({
        command: 'replay-campaign',
        again: `--races ${races} --keys ${keys}`,
        seed,
        json: json === true,
        unit: 'keys',
        total: races + keys,
        run: (onProgress) =>
          runReplayCampaign({
            races,
            keys,
            seed,
            onProgress: (done) => {
              onProgress(done, '');
            },
          }),
        rows: (result) => [
          ['keys, each claimed by every thread', result.keys],
          ['claims that lost', result.losses],
          ['claims that waited for room', result.refused],
          ['shards', result.shards],
          ['most bytes for a key', result.mostBytesPerKey.toFixed(1)],
          ['slowest claim, us', result.slowestClaimMicros.toFixed(0)],
        ],
      });
    });
}

interface OverloadFlags extends CampaignFlags {
  readonly seconds: number;
  readonly minutes?: number;
  readonly workers: number;
}

interface FloodFlags extends CampaignFlags {
  readonly seconds: number;
  readonly rate: number;
  readonly workers: number;
}

function floodRow(when: string, part: FloodPart): readonly [string, string] {
  const percent = (shareOf(part) * 100).toFixed(1);
  return [`honest, ${when}: arrived of offered`, `${part.arrived} of ${part.offered} (${percent} %)`];
}

function honestRows(when: string, part: HonestPart): readonly (readonly [string, string])[] {
  const { offered, accepted, p50Millis, p99Millis } = part;
  return [
    [`honest, ${when}: paid of offered`, `${accepted} of ${offered}`],
    [`honest, ${when}: p50, p99 ms`, `${p50Millis.toFixed(2)}, ${p99Millis.toFixed(2)}`],
  ];
}

/** What all campaigns take. */
function campaignCommand(name: string): Command {
  return new Command(name)
    .option('--seed <S>', 'replays a run (0 to 2^32-1; a fresh one by default)', wholeBetween(0, MAX_SEED))
    .option('--json', 'print the result as JSON');
}
