/**
 * Change in a simulated network: links fail, nodes start again, the network falls apart and heals.
 */
import type { SeededRandom } from '../core/random.js';
import { randomBelow } from '../core/random.js';
import type { Network } from './network.js';
import type { Scenario } from './scenarios.js';

const HOUR_MILLIS = 3_600_000;
/** Part of the time of change that a partition takes. */
const PARTITION_PART = 0.1;

export interface ChurnOptions {
  readonly network: Network;
  readonly scenario: Scenario;
  readonly random: SeededRandom;
  /** Nothing changes after it: what is down then and would come back later comes back at that time. */
  readonly untilMillis: number;
}

export class Churn {
  readonly #options: ChurnOptions;
  /** Times that something went down or came back. */
  changes = 0;
  lastMillis = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
  }

  /** Plans everything from now on. */
  start(): void {
    const { network, scenario } = this.#options;
    const { linkFailuresPerHour, nodeRestartsPerHour, partitions } = scenario;
    this.#repeat(linkFailuresPerHour * network.links.count, () => {
      this.#failLink();
    });
    this.#repeat(nodeRestartsPerHour * network.nodes.length, () => {
      this.#restartNode();
    });
    const span = this.#options.untilMillis - network.now;
    for (let i = 0; i < partitions; i++) {
      network.queue.after((span * (i + 0.5)) / partitions, () => {
        this.#partition(span * PARTITION_PART);
      });
    }
  }

  /** Does something again and again, at random times with a mean rate. */
  #repeat(timesPerHour: number, change: () => void): void {
    if (timesPerHour === 0) return;
    const { network, random, untilMillis } = this.#options;
    const next = (): void => {
      const wait = (-Math.log(1 - random.unit()) * HOUR_MILLIS) / timesPerHour;
      if (network.now + wait >= untilMillis) return;
      network.queue.after(wait, () => {
        change();
        next();
      });
    };
    next();
  }

  #failLink(): void {
    const { network, scenario, random } = this.#options;
    const link = randomBelow(random, network.links.count);
    network.cut(link);
    this.#later(scenario.linkOutageMillis, () => {
      network.mend(link);
    });
  }

  #restartNode(): void {
    const { network, scenario, random } = this.#options;
    const index = randomBelow(random, network.nodes.length);
    if (!network.node(index).isUp) return;
    network.stop(index);
    this.#later(scenario.nodeOutageMillis, () => {
      network.restart(index);
    });
  }

  /** Cuts everything between a random half, grown around a node, and the rest. */
  #partition(millis: number): void {
    const { network, random } = this.#options;
    const start = randomBelow(random, network.nodes.length);
    const hops = network.hopsFrom(start);
    const nearest = network.nodes
      .map(({ index }) => index)
      .sort((a, b) => (hops[a] ?? 0) - (hops[b] ?? 0))
      .slice(0, Math.ceil(network.nodes.length / 2));
    const inside = new Set(nearest);
    const crossing: number[] = [];
    for (let link = 0; link < network.links.count; link++) {
      const [a, b] = network.links.ends(link);
      if (inside.has(a) !== inside.has(b)) crossing.push(link);
    }
    for (const link of crossing) network.cut(link);
    this.#later(millis, () => {
      for (const link of crossing) network.mend(link);
    });
  }

  /** Ends what has begun, at the end of all change at the latest. */
  #later(mostMillis: number, end: () => void): void {
    const { network, random, untilMillis } = this.#options;
    this.#changed();
    const wait = Math.min(mostMillis * (0.2 + 0.8 * random.unit()), untilMillis - network.now);
    network.queue.after(wait, () => {
      end();
      this.#changed();
    });
  }

  #changed(): void {
    this.changes += 1;
    this.lastMillis = this.#options.network.now;
  }
}
