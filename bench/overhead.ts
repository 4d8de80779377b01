/**
 * What the operator's view costs: the paid (issued) and the free pipeline with counters, timings, flight recorder, a page
 * that is open and metrics that are read, beside the same pipelines without any of it.
 *
 * The module whose view it is runs in this process, on a development node; the page and the scraper are another process.
 * The page gets its events every 2 s, as always; the metrics are read at once, and again after every 15 s that were
 * watched, as Prometheus is set up most often. What one reading takes is told beside. Stretches go without, with, with,
 * without, so that a machine that drifts favours neither; a sample is the mean of a round's stretches.
 *
 * Target: at most 3 % of the rate, and of the processor time, which others on the machine change less.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dashboard } from '#dist/api/dashboard/routes.js';
import { HttpDoor } from '#dist/api/http/http-door.js';
import { metricsRoutes } from '#dist/api/metrics/routes.js';
import { parseConfig } from '#dist/config/config.js';
import { systemClock } from '#dist/core/clock.js';
import { systemRandom } from '#dist/core/random.js';
import { runDevNode } from '#dist/dev/index.js';
import { MeshModule } from '#dist/engine/module.js';
import { ModuleIntegration } from '#dist/node/module-integration.js';
import { Bed, type BedOptions, type Expected } from './bed.js';
import { stopwatch, type Rate } from './cpu.js';
import { benchFolder } from './folder.js';
import { asFree } from './free.js';
import { asPaid } from './paid.js';
import { freePackets, paidSamples } from './samples.js';
import type { ReaderOrder } from './overhead-reader.js';
import { ratioAtLeast, ratioAtMost, type Reading, type Target } from './stats.js';
import type { Runner } from './suite.js';

const PAYLOAD_BYTES = 200;
const ISSUED_PACKETS = 65_536;
const FREE_PACKETS = 524_288;
const DIFFERENT_FREE = 4_096;
const WARM_PACKETS = 32_768;
const SCRAPE_MILLIS = 15_000;
const SCRAPES = 20;
/** Of two stretches without and two with, in a round. */
const PAIRS = 2;

const QUIET = { log: (): void => undefined };
const CONFIG = 'network = "regtest"\nworkers = 1\nlisten_addr = ""\n';

/** A running module, and who looks at it while a stretch is measured. */
class Operator {
  readonly mesh: MeshModule;
  readonly #folder: string;
  readonly #closers: readonly (() => unknown)[];
  readonly #reader: ChildProcess;
  /** Watched since the metrics were read. */
  #watchedMillis = SCRAPE_MILLIS;

  private constructor(parts: {
    readonly mesh: MeshModule;
    readonly folder: string;
    readonly closers: readonly (() => unknown)[];
    readonly reader: ChildProcess;
  }) {
    this.mesh = parts.mesh;
    this.#folder = parts.folder;
    this.#closers = parts.closers;
    this.#reader = parts.reader;
  }

  static async start(): Promise<Operator> {
    const folder = benchFolder();
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir);
    const network = await runDevNode({ nodes: 1, dir: folder });
    const common = { clock: systemClock, random: systemRandom };
    const integration = await ModuleIntegration.connect({
      socketPath: network.node('node-1').socketPath,
      moduleId: 'blvm-mesh',
      moduleName: 'blvm-mesh',
      version: '0.0.0',
      log: QUIET,
      ...common,
    });
    const mesh = await MeshModule.start({
      config: parseConfig({ text: CONFIG, fileName: 'bench', env: {} }).config,
      dataDir,
      integration,
      logs: () => QUIET,
      onNodeShutdown: () => undefined,
      onConfigLoaded: () => undefined,
      ...common,
    });
    const page = dashboard({ mesh, integration, recentWarnings: () => [] });
    const routes = [...page.routes, ...metricsRoutes({ mesh, integration, logLinesDropped: () => 0 })];
    const address = { host: '127.0.0.1', port: 0 };
    const door = await HttpDoor.open({ address, token: 'none', routes, log: QUIET });
    const file = fileURLToPath(new URL('./overhead-reader.js', import.meta.url));
    const reader = fork(file, [`http://127.0.0.1:${door.port}`]);
    const closers = [
      () => {
        page.close();
      },
      () => door.close(),
      () => mesh.close(),
      () => integration.close(),
      () => network.close(),
    ];
    return new Operator({ mesh, folder, closers, reader });
  }

  /** Runs something while the page is open; the metrics are read meanwhile, where it is time. */
  async watch<T>(run: () => Promise<T>): Promise<T> {
    await this.#ask('open');
    const since = performance.now();
    const isDue = this.#watchedMillis >= SCRAPE_MILLIS;
    if (isDue) this.#watchedMillis = 0;
    const scraped = isDue ? this.#ask('scrape') : Promise.resolve();
    const result = await run();
    await scraped;
    this.#watchedMillis += performance.now() - since;
    await this.#ask('close');
    return result;
  }

  /** Processor time of this process for one reading of the metrics, in milliseconds. */
  async scrapeMillis(): Promise<number> {
    const stop = stopwatch();
    for (let scrape = 0; scrape < SCRAPES; scrape++) await this.#ask('scrape');
    return stop(SCRAPES).cpu.process / 1_000;
  }

  async close(): Promise<void> {
    this.#reader.disconnect();
    await once(this.#reader, 'exit');
    for (const close of this.#closers) await close();
    rmSync(this.#folder, { recursive: true });
  }

  async #ask(order: ReaderOrder): Promise<void> {
    const answered = once(this.#reader, 'message');
    this.#reader.send(order);
    await answered;
  }
}

/** A fresh bed, warmed up before anybody looks. @param operator null for none */
async function rateOf(
  options: BedOptions,
  packets: readonly Expected[],
  operator: Operator | null,
): Promise<Rate> {
  const bed = await Bed.open(operator === null ? options : { ...options, watch: operator.mesh });
  try {
    await bed.rate(packets.slice(0, WARM_PACKETS));
    const run = (): Promise<Rate> => bed.rate(packets.slice(WARM_PACKETS));
    return await (operator === null ? run() : operator.watch(run));
  } finally {
    await bed.close();
  }
}

function mean(stretches: readonly Rate[], of: (rate: Rate) => number): number {
  return stretches.reduce((sum, rate) => sum + of(rate), 0) / stretches.length;
}

interface Load {
  readonly packets: readonly Expected[];
  readonly options: Omit<BedOptions, 'workers'>;
}

function pipeline(name: string, load: () => Load): Runner {
  return {
    name: `${name}, the operator's view`,
    measure: async ({ rounds, workers, isQuick }) => {
      const { packets, options } = load();
      const bed = { ...options, workers: Math.max(...workers) };
      const pairs = isQuick ? 1 : PAIRS;
      const without: Rate[][] = [];
      const watched: Rate[][] = [];
      const scrapes: number[] = [];
      const operator = await Operator.start();
      try {
        // Its own code is compiled before a clock runs.
        await rateOf(bed, packets, operator);
        for (let round = 0; round < rounds; round++) {
          const plain: Rate[] = [];
          const seen: Rate[] = [];
          for (let pair = 0; pair < pairs; pair++) {
            plain.push(await rateOf(bed, packets, null));
            seen.push(await rateOf(bed, packets, operator));
            seen.push(await rateOf(bed, packets, operator));
            plain.push(await rateOf(bed, packets, null));
          }
          without.push(plain);
          watched.push(seen);
          scrapes.push(await operator.scrapeMillis());
        }
      } finally {
        await operator.close();
      }
      const reading = (
        label: string,
        unit: string,
        of: (rate: Rate) => number,
        target?: Target,
      ): readonly Reading[] => [
        { name: `${label} without`, unit, samples: without.map((rates) => mean(rates, of)) },
        {
          name: `${label} with it`,
          unit,
          samples: watched.map((rates) => mean(rates, of)),
          reference: `${label} without`,
          ...(target === undefined ? {} : { target }),
        },
      ];
      return [
        ...reading('rate', 'packets/s', ({ perSecond }) => perSecond, ratioAtLeast(0.97)),
        ...reading('each costs', 'us CPU', ({ cpu }) => cpu.process, ratioAtMost(1.03)),
        ...reading('main thread', 'us CPU', ({ cpu }) => cpu.mainThread),
        { name: 'one reading of the metrics', unit: 'ms CPU', samples: scrapes },
      ];
    },
  };
}

export function overhead(): readonly Runner[] {
  return [
    pipeline('issued invoices, durable', () => {
      const issued = paidSamples(ISSUED_PACKETS + WARM_PACKETS, PAYLOAD_BYTES);
      return { packets: asPaid(issued), options: { issued, isDurable: true } };
    }),
    pipeline('free packets', () => {
      const different = asFree(freePackets(DIFFERENT_FREE, PAYLOAD_BYTES));
      const packets = Array.from({ length: FREE_PACKETS + WARM_PACKETS }, (_, index) => {
        const packet = different[index % different.length];
        if (packet === undefined) throw new Error('there are packets');
        return packet;
      });
      return { packets, options: {} };
    }),
  ];
}
