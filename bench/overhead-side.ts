/**
 * One side of the overhead bench in a process of its own: a pipeline with the operator's view, or without it, so that neither
 * runs code that was compiled for both.
 *
 * The module whose view it is runs in this process too, on a development node; the page and the scraper are another one.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { dashboard } from '#dist/api/dashboard/routes.js';
import { HttpDoor } from '#dist/api/http/http-door.js';
import { metricsRoutes } from '#dist/api/metrics/routes.js';
import type { MeshModule } from '#dist/engine/module.js';
import { Bed, type BedOptions, type Expected } from './bed.js';
import { answerCalls } from './child.js';
import { stopwatch, type Rate } from './cpu.js';
import { asFree } from './free.js';
import { startMeshNode } from './mesh-node.js';
import { asPaid } from './paid.js';
import { freePackets, paidSamples } from './samples.js';
import type { ReaderOrder } from './overhead-reader.js';

const PAYLOAD_BYTES = 200;
const ISSUED_PACKETS = 65_536;
const FREE_PACKETS = 524_288;
const DIFFERENT_FREE = 4_096;
const WARM_PACKETS = 32_768;
const SCRAPE_MILLIS = 15_000;
const SCRAPES = 20;

const QUIET = { log: (): void => undefined };
const CONFIG = 'network = "regtest"\nworkers = 1\nlisten_addr = ""\n';

/** A running module, and who looks at it while a stretch is measured. */
class Operator {
  readonly mesh: MeshModule;
  readonly #closers: readonly (() => unknown)[];
  readonly #reader: ChildProcess;
  /** Watched since the metrics were read. */
  #watchedMillis = SCRAPE_MILLIS;

  private constructor(parts: {
    readonly mesh: MeshModule;
    readonly closers: readonly (() => unknown)[];
    readonly reader: ChildProcess;
  }) {
    this.mesh = parts.mesh;
    this.#closers = parts.closers;
    this.#reader = parts.reader;
  }

  static async start(): Promise<Operator> {
    const node = await startMeshNode(CONFIG, QUIET);
    const { mesh, integration } = node;
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
      node.close,
    ];
    return new Operator({ mesh, closers, reader });
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

interface Load {
  readonly packets: readonly Expected[];
  readonly options: Omit<BedOptions, 'workers'>;
}

const LOADS = {
  issued: (): Load => {
    const issued = paidSamples(ISSUED_PACKETS + WARM_PACKETS, PAYLOAD_BYTES);
    return { packets: asPaid(issued), options: { issued, isDurable: true } };
  },
  free: (): Load => {
    const different = asFree(freePackets(DIFFERENT_FREE, PAYLOAD_BYTES));
    const packets = Array.from({ length: FREE_PACKETS + WARM_PACKETS }, (_, index) => {
      const packet = different[index % different.length];
      if (packet === undefined) throw new Error('there are packets');
      return packet;
    });
    return { packets, options: {} };
  },
};

export type LoadName = keyof typeof LOADS;

let rate: () => Promise<Rate> = () => Promise.reject(new Error('it was started'));
let operator: Operator | null = null;

const operations = {
  /** Resolves when its code is compiled. */
  start: async ({
    load,
    workers,
    isWatched,
  }: {
    readonly load: LoadName;
    readonly workers: number;
    readonly isWatched: boolean;
  }) => {
    const { packets, options } = LOADS[load]();
    if (isWatched) operator = await Operator.start();
    rate = () => rateOf({ ...options, workers }, packets, operator);
    await rate();
  },
  /** One stretch. */
  rate: () => rate(),
  /** Processor time of this process for one reading of the metrics, in milliseconds. */
  scrapeMillis: () => operator?.scrapeMillis() ?? 0,
};

export type SideOperations = typeof operations;

if (process.send !== undefined) answerCalls(operations, () => operator?.close());
