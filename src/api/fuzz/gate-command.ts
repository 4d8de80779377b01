/** `blvm-mesh gate-campaign`: random messages against the gate. Exit codes: 0 none was free, 1 one was, 2 misuse. */
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { Command } from 'commander';
import { systemClock } from '../../core/clock.js';
import { randomBelow, systemRandom } from '../../core/random.js';
import { FINGERPRINT_SECRET_BYTES } from '../../replay/fingerprint.js';
import { WasmKernel } from '../../wasm/kernel.js';
import { MAX_SEED, wholeBetween } from './arguments.js';
import { runGateCampaign, type FreeMessage, type GateCampaignReport } from './gate-campaign.js';
import { MESSAGE_KINDS } from './gate-messages.js';

/** Some weeks of one core: more is a typing error. */
const MAX_MESSAGES = 1e12;

interface GateFlags {
  readonly messages: number;
  readonly seed?: number;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function gateCommand(): Command {
  return new Command('gate-campaign')
    .description('throw random messages at the gate: none may pass as free traffic')
    .option('--messages <N>', 'how many', wholeBetween(1, MAX_MESSAGES), 10_000_000)
    .option('--seed <S>', 'replays a run (0 to 2^32-1; a fresh one by default)', wholeBetween(0, MAX_SEED))
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Half of the messages are random bytes, a quarter has the right beginning of one of the protocols before them, and a
quarter are whole messages with something broken: a bit, the end, or a few bytes too many.

Example:
  $ blvm-mesh gate-campaign --messages 100000000 --seed 1`,
    )
    .action(async (flags: GateFlags) => {
      process.exitCode = await campaign(flags);
    });
}

async function campaign(flags: GateFlags): Promise<number> {
  const seed = flags.seed ?? randomBelow(systemRandom, MAX_SEED);
  const { messages } = flags;
  const bar = process.stderr.isTTY ? progressBar(messages) : null;
  const report = await runGateCampaign({
    messages,
    seed,
    detector: WasmKernel.load(new Uint8Array(FINGERPRINT_SECRET_BYTES)),
    clock: systemClock,
    ...(bar === null
      ? {}
      : {
          onProgress: (done) => {
            bar.update(done);
          },
        }),
  });
  bar?.stop();
  process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : textOf(report));
  if (report.firstFree === null) return 0;
  showFree(report.firstFree, seed);
  return 1;
}

function progressBar(messages: number): SingleBar {
  const bar = new SingleBar({
    format: 'messages {bar} {percentage} %, {eta_formatted} left',
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(messages, 0);
  return bar;
}

function showFree({ message, kind, protocol, hex }: FreeMessage, seed: number): void {
  process.stderr.write(
    `error: message ${message} (${kind}) passed as ${protocol}\n` +
      `run it again: blvm-mesh gate-campaign --seed ${seed} --messages ${message + 1}\n${hex}\n`,
  );
}

function textOf({ seed, messages, elapsedSeconds, told, free }: GateCampaignReport): string {
  const table = new Table({
    head: ['made', 'messages', 'unknown', 'mesh (to be paid)', 'free'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const kind of MESSAGE_KINDS) {
    const { Unknown, MeshPacket, BitcoinP2P, StratumV2, CommonsGovernance } = told[kind];
    const isFree = BitcoinP2P + StratumV2 + CommonsGovernance;
    const cells = [Unknown + MeshPacket + isFree, Unknown, MeshPacket, isFree];
    table.push([kind, ...cells.map((count) => count.toLocaleString('en'))]);
  }
  return (
    `${table.toString()}\nseed ${seed}, ${elapsedSeconds.toFixed(1)} s: ` +
    `${messages.toLocaleString('en')} messages, ${free === 0 ? 'none' : free.toLocaleString('en')} free\n`
  );
}
