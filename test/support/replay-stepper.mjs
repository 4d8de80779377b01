// One thread of a scheduled race in the shared replay table: it stops before each atomic operation that it has no
// leave for, so that the test chooses how the threads' operations interleave. The first thread owns the table: while the
// others claim the key of the round, it claims keys of its own, so that the table grows, and forgets. Runs from the built
// package, since worker threads read no TypeScript.
import { receiveMessageOnPort, workerData } from 'node:worker_threads';

const { dist, secret, leave, back, outcomes, round, keyBytes, self, port, tableRounds } = workerData;

const { load, store, add, wait, notify } = Atomics;
const operations = ['load', 'store', 'add', 'sub', 'compareExchange', 'exchange'];
const whole = Object.fromEntries(operations.map((name) => [name, Atomics[name]]));
let granted = 0;

/** Hands the turn back and waits for the next one. */
function park() {
  store(leave, self, 0);
  add(back, 0, 1);
  notify(back, 0);
  while (load(leave, self) === 0) wait(leave, self, 0);
  granted = load(leave, self);
}

const stepped = Object.fromEntries(
  operations.map((name) => [
    name,
    (...parameters) => {
      if (granted === 0) park();
      granted--;
      return whole[name](...parameters);
    },
  ]),
);

const { SharedReplayTable } = await import(new URL('replay/shared-table.js', dist).href);
const { PlainFingerprinter } = await import(new URL('replay/fingerprint.js', dist).href);

const CAPACITY = 512;
const OUTCOMES = ['claimed', 'taken', 'full'];
const OWNER = 0;
let table;
let filler = 0;

/** The owner makes a new table every so many rounds; the others are told of it. */
function tableOf(number) {
  if (number % tableRounds !== 0) return table;
  if (self !== OWNER)
    return SharedReplayTable.attach(receiveMessageOnPort(port).message, new PlainFingerprinter(secret));
  const made = SharedReplayTable.create(new PlainFingerprinter(secret), CAPACITY);
  port.postMessage(made.memory);
  return made;
}

/** Claims keys that nobody else claims: about every other one is over with the round. */
function fill(now, amount) {
  for (let i = 0; i < amount; i++) {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, ++filler);
    if (table.claim(key, filler % 3 === 0 ? now : now + 1_000_000) !== 'claimed')
      throw new Error('a filler is new');
  }
}

for (;;) {
  park();
  const number = load(round, 0);
  table = tableOf(number);
  const now = 2_048 * (number + 1);
  let outcome = OUTCOMES[0];
  Object.assign(Atomics, stepped);
  if (self === OWNER) {
    fill(now, 4 + (number % 7));
    table.tend();
    table.expire(now);
    fill(now, number % 5);
  } else outcome = table.claim(Uint8Array.from(keyBytes), now + 1_000_000);
  Object.assign(Atomics, whole);
  store(outcomes, self, 1 + OUTCOMES.indexOf(outcome));
}
