/** `blvm-mesh demo`: the main job end to end, with one command. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { SingleBar } from 'cli-progress';
import { errorText } from '../core/errors.js';
import type { Log } from '../core/ports.js';
import { Demo } from './demo.js';
import { DEMO_WAYS, type DemoWay } from './network.js';
import { resultJson, resultText } from './report.js';

interface DemoFlags {
  readonly packets: number;
  readonly seed: number;
  readonly relay: DemoWay;
  readonly once?: true;
  readonly json?: true;
}

const NODES = 5;
/** Pause between packets while the network stays up, so that a newcomer can watch and break it. */
const TRICKLE_MILLIS = 200;
/** Without a terminal progress is a line this often. */
const PROGRESS_LINE_MILLIS = 2_000;

export function demoCommand(): Command {
  return new Command('demo')
    .description('run five nodes and send paid packets, replays and cheats among them')
    .option('--packets <n>', 'packets in all, one in ten of them a replay or cheat', positive, 2_000)
    .option('--seed <n>', 'seed of the traffic', positive, 1)
    .addOption(
      new Option(
        '--relay <way>',
        'how packets go between neighbours: by the direct transport, over their nodes, or mixed',
      )
        .choices(DEMO_WAYS)
        .default('direct'),
    )
    .option('--once', 'end after the report (so it does without a terminal); otherwise Ctrl-C ends')
    .option('--json', 'print the report as one JSON object')
    .addHelpText('after', '\nThe report goes to stdout, progress to stderr.')
    .action(async (flags: DemoFlags) => {
      process.exitCode = await runDemo(flags);
    });
}

async function runDemo(flags: DemoFlags): Promise<number> {
  const interruption = untilInterrupted();
  const progress = progressOf();
  process.stderr.write(`starting a development node and ${NODES} mesh modules…\n`);
  let demo: Demo | null = null;
  try {
    const started = Demo.start({
      ...flags,
      way: flags.relay,
      nodes: NODES,
      log: stderrLog,
      onProgress: progress.update,
    });
    demo = await started;
    process.stderr.write(`${NODES} modules are up, in ${demo.network.directory}\n`);
    progress.start(flags.packets);
    const result = await Promise.race([demo.run(), interruption]);
    progress.stop();
    if (result === 'interrupted') return 130;
    process.stdout.write(
      `${flags.json === true ? JSON.stringify(resultJson(result)) : resultText(result)}\n`,
    );
    for (const [why, count] of demo.traffic.losses) process.stderr.write(`lost: ${count}, ${why}\n`);
    const isGood = result.conserved && result.cheatsAccepted === 0 && result.lost === 0;
    const isOver = flags.once === true || !process.stdout.isTTY;
    if (!isOver) await keepRunning(demo, interruption);
    return isGood ? 0 : 1;
  } catch (error) {
    progress.stop();
    process.stderr.write(`the demonstration failed: ${errorText(error)}\n`);
    return 1;
  } finally {
    await demo?.close();
  }
}

/** Sends a packet now and then until Ctrl-C, and shows how they fare while modules come and go. */
async function keepRunning(demo: Demo, interruption: Promise<'interrupted'>): Promise<void> {
  const { network, traffic } = demo;
  const modules = network.nodes
    .map(({ name, module }) => `${name} (pid ${String(module.process.pid)})`)
    .join(', ');
  process.stderr.write(
    `\nThe network stays up: ${modules}.\nTry \`kill -9 PID\`: the others go on over other routes. Ctrl-C ends.\n`,
  );
  let isOver = false;
  void interruption.then(() => {
    isOver = true;
  });
  const before = { delivered: traffic.records.length, lost: traffic.lost };
  const lane = async (): Promise<void> => {
    while (!isOver) {
      const alive = network.nodes.flatMap(({ module }, index) => (module.isAlive ? [index] : []));
      const { from, to } = traffic.randomPair();
      if (alive.includes(from) && alive.includes(to)) await traffic.send(from, to);
      const delivered = traffic.records.length - before.delivered;
      process.stderr.write(
        `\r${alive.length} of ${network.nodes.length} modules alive, ` +
          `${delivered} more delivered, ${traffic.lost - before.lost} lost `,
      );
      await new Promise((resolve) => setTimeout(resolve, TRICKLE_MILLIS));
    }
  };
  await Promise.race([Promise.all([lane(), lane()]), interruption]);
  process.stderr.write('\n');
}

/** Resolves at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function untilInterrupted(): Promise<'interrupted'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve('interrupted');
      });
    }
  });
}

interface Progress {
  readonly start: (all: number) => void;
  readonly update: (settled: number, all: number) => void;
  readonly stop: () => void;
}

/** A bar on a terminal, a line now and then elsewhere. */
function progressOf(): Progress {
  if (process.stderr.isTTY) {
    const bar = new SingleBar({
      format: 'packets {bar} {value}/{total}, {eta} s left',
      stream: process.stderr,
      hideCursor: true,
    });
    return {
      start: (all) => {
        bar.start(all, 0);
      },
      update: (settled) => {
        bar.update(settled);
      },
      stop: () => {
        bar.stop();
      },
    };
  }
  let shownAt = performance.now();
  return {
    start: () => undefined,
    update: (settled, all) => {
      if (performance.now() - shownAt < PROGRESS_LINE_MILLIS) return;
      shownAt = performance.now();
      process.stderr.write(`${settled} of ${all} packets\n`);
    },
    stop: () => undefined,
  };
}

/** The modules log to their own files; only what went wrong in this process is shown. */
const stderrLog: Log = {
  log: (level, message, facts) => {
    if (level !== 'error') return;
    process.stderr.write(`${message} ${facts === undefined ? '' : JSON.stringify(facts)}\n`);
  },
};

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number from 1 is wanted');
  return value;
}
