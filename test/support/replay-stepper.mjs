// One thread of a scheduled race: claims one key a round in the shared replay table, and stops before each atomic
// operation that it has no leave for, so that the test chooses how the threads' operations interleave. Runs from
// the built package, since worker threads read no TypeScript.
import { workerData } from 'node:worker_threads';

const { dist, memory, secret, leave, back, outcomes, keyBytes, self, rounds } = workerData;

const { load, store, add, sub, compareExchange, wait, notify } = Atomics;
let granted = 0;

/** Hands the turn back and waits for the next one. */
function park() {
  store(leave, self, 0);
  add(back, 0, 1);
  notify(back, 0);
  while (load(leave, self) === 0) wait(leave, self, 0);
  granted = load(leave, self);
}

function stepped(operation) {
  return (...parameters) => {
    if (granted === 0) park();
    granted--;
    return operation(...parameters);
  };
}

Object.assign(Atomics, {
  load: stepped(load),
  store: stepped(store),
  add: stepped(add),
  sub: stepped(sub),
  compareExchange: stepped(compareExchange),
});

const { SharedReplayTable } = await import(new URL('replay/shared-table.js', dist).href);
const { PlainFingerprinter } = await import(new URL('replay/fingerprint.js', dist).href);
const table = SharedReplayTable.attach(memory, new PlainFingerprinter(secret));

const OUTCOMES = ['claimed', 'taken', 'full'];
for (let round = 0; round < rounds; round++) {
  park();
  const outcome = table.claim(Uint8Array.from(keyBytes), 10 * (round + 1) + 5);
  store(outcomes, self, 1 + OUTCOMES.indexOf(outcome));
}
park();
