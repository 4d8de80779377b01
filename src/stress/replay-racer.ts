/**
 * One thread of the replay campaign: claims every key of the race once, with jitter between, and marks those it won.
 *
 * Runs on a worker thread of replay-campaign.ts, from the built package.
 */
import { workerData } from 'node:worker_threads';
import { randomBelow, SeededRandom } from '../core/random.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import { WasmKernel } from '../wasm/kernel.js';
import { RACE_LIFE_SECONDS, raceKey, type RacerStart } from './replay-race.js';

const PAUSE = new Int32Array(1);
const MOST_JITTER_TURNS = 400;
/** A thread that found no room waits that long, in milliseconds, for the owner to make some. */
const ROOM_WAIT_MILLIS = 1;

function race(start: RacerStart): void {
  const { self, keys, lead, progress, taken, wins, slowest } = start;
  const random = new SeededRandom(start.seed + self);
  const table = SharedReplayTable.attach(start.memory, new WasmKernel(start.kernel, start.secret));
  const key = new Uint8Array(32);
  const first = lead === null ? Math.floor((self * keys) / start.threads) : 0;
  let longest = 0;
  for (let done = 0; done < keys; done++) {
    const number = (first + done) % keys;
    raceKey(number, key);
    if (lead !== null) {
      awaitRivals(start, done - lead);
      spin(randomBelow(random, MOST_JITTER_TURNS));
    }
    const expiresAt = number * start.keySeconds + RACE_LIFE_SECONDS;
    for (;;) {
      const begun = performance.now();
      const outcome = table.claim(key, expiresAt);
      longest = Math.max(longest, performance.now() - begun);
      if (outcome === 'claimed') Atomics.add(wins, number, 1);
      if (outcome === 'taken') Atomics.add(taken, self, 1);
      if (outcome !== 'full') break;
      Atomics.wait(progress, self, done, ROOM_WAIT_MILLIS);
    }
    Atomics.store(progress, self, done + 1);
    if (lead !== null) Atomics.notify(progress, self);
  }
  Atomics.store(slowest, self, Math.round(longest * 1_000));
}

/** Returns when every thread has done so many keys. */
function awaitRivals({ progress, threads }: RacerStart, least: number): void {
  for (let rival = 0; rival < threads; rival++) {
    for (;;) {
      const reached = Atomics.load(progress, rival);
      if (reached >= least) break;
      Atomics.wait(progress, rival, reached, 10);
    }
  }
}

function spin(turns: number): void {
  for (let i = 0; i < turns; i++) Atomics.load(PAUSE, 0);
}

race(workerData as RacerStart);
