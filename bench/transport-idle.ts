/**
 * What peers cost that say nothing but that they are there: memory of the node's whole process, once beside connections of
 * node:tls, and over ten minutes.
 *
 * Targets: at most 64 kB a peer, and no growth.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from './child.js';
import { EngineProcess, SMALL_SETTINGS } from './engine-process.js';
import { atMost, median, type Reading } from './stats.js';
import type { Runner, Settings } from './suite.js';
import type { EndOperations } from './transport-end.js';

const IDLE_PEERS = 1_000;
const QUICK_IDLE_PEERS = 100;
/** Connections that come and go before memory is looked at. */
const IDLE_WARM = 30;
/** Until a process is idle: what it has used to start, or while they came, and needs no more, is given back. */
const SETTLE_MILLIS = 15_000;
const QUICK_SETTLE_MILLIS = 2_000;
const MOST_KILOBYTES = 64;

const MINUTES = 10;
const QUICK_MINUTES = 2;
/** Peers speak so often: twice as often as they must. */
const SPEAK_MILLIS = 20_000;
const SPEAKS_A_MINUTE = 3;
/**
 * What the second half may have above the first, for each peer. By medians: as routes have just been told or not, one minute
 * has up to 4 kB more than another.
 */
const MOST_GROWN_KILOBYTES = 1;

const BARE = 3;

/** What an idle peer costs of the memory of a fresh node's whole process, beside one of a fresh process with node:tls. */
export async function idlePeers(
  { isQuick }: Settings,
  source: Child<EndOperations>,
): Promise<readonly Reading[]> {
  const count = isQuick ? QUICK_IDLE_PEERS : IDLE_PEERS;
  const node = await EngineProcess.start(1, SMALL_SETTINGS);
  const bare = new Child<EndOperations>('transport-end', SMALL_SETTINGS);
  const grown = async (
    kind: 'plain' | 'node',
    port: number,
    memory: () => Promise<number>,
  ): Promise<number> => {
    await source.call('comeAndGo', { port, kind, count: IDLE_WARM });
    await settled(isQuick);
    const before = await memory();
    await source.call('stay', { port, kind, count });
    await settled(isQuick);
    return ((await memory()) - before) / count / 1_000;
  };
  try {
    const port = await bare.call('serve', { number: BARE });
    const plain = await grown('plain', port, () => bare.call('memory'));
    const ours = await grown('node', node.port, () => node.child.call('memory'));
    await allThere(node, count);
    const of = `of ${count.toLocaleString('en')}`;
    const reference = `an idle connection of node:tls, ${of}`;
    const target = atMost(MOST_KILOBYTES);
    return [
      { name: reference, unit: 'kB', samples: [plain] },
      { name: `an idle peer, ${of}`, unit: 'kB', samples: [ours], reference, target },
    ];
  } finally {
    await Promise.all([node.child.close(), bare.close()]);
  }
}

/** The same over ten minutes, in which every peer is told of routes and says from time to time that it is there. */
export function idleMinutes(): Runner {
  return {
    name: 'idle peers',
    measure: async ({ isQuick }) => {
      const [count, minutes] = isQuick ? [QUICK_IDLE_PEERS, QUICK_MINUTES] : [IDLE_PEERS, MINUTES];
      const node = await EngineProcess.start(1, SMALL_SETTINGS);
      const source = new Child<EndOperations>('transport-end');
      const { port } = node;
      try {
        await source.call('comeAndGo', { port, kind: 'node', count: IDLE_WARM });
        await settled(isQuick);
        const before = await node.child.call('memory');
        await source.call('stay', { port, kind: 'node', count });
        const samples: number[] = [];
        for (let minute = 0; minute < minutes; minute++) {
          for (let time = 0; time < SPEAKS_A_MINUTE; time++) {
            await pause(SPEAK_MILLIS);
            await source.call('speak', { to: node.id });
          }
          samples.push(((await node.child.call('memory')) - before) / count / 1_000);
        }
        await allThere(node, count);
        const half = minutes / 2;
        const grown = median(samples.slice(half)) - median(samples.slice(0, half));
        const over = `of ${count.toLocaleString('en')}, over ${minutes} minutes`;
        return [
          { name: `one ${over}`, unit: 'kB', samples, target: atMost(MOST_KILOBYTES) },
          {
            name: `one ${over}: grown from half to half`,
            unit: 'kB',
            samples: [grown],
            target: atMost(MOST_GROWN_KILOBYTES),
          },
        ];
      } finally {
        await Promise.all([node.child.close(), source.close()]);
      }
    },
  };
}

function settled(isQuick: boolean): Promise<void> {
  return pause(isQuick ? QUICK_SETTLE_MILLIS : SETTLE_MILLIS);
}

async function allThere(node: EngineProcess, count: number): Promise<void> {
  const [peers, refused] = [await node.child.call('peers'), await node.child.call('refused')];
  if (peers < count) throw new Error(`${count} came, and ${peers} are there: ${JSON.stringify(refused)}`);
}
