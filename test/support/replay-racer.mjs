// One thread of the race for replay keys: claims the same keys as its rivals, in the same order, among keys of its
// own that come and go. Runs from the built package, since worker threads read no TypeScript.
import { workerData } from 'node:worker_threads';

const { dist, memory, secret, progress, outcomes, self, threads, keys, lead } = workerData;
const { SharedReplayTable } = await import(new URL('replay/shared-table.js', dist).href);
const { PlainFingerprinter } = await import(new URL('replay/fingerprint.js', dist).href);

const table = SharedReplayTable.attach(memory, new PlainFingerprinter(secret));
const key = new Uint8Array(32);
const view = new DataView(key.buffer);
const OUTCOMES = ['claimed', 'taken'];
/** Each number's keys are forgotten together: one time bucket. */
const BUCKET_SECONDS = 1_024;

/** Keeps this thread within `lead` keys of the slowest rival, so that old keys can be forgotten. */
function waitForRivals(number) {
  for (let rival = 0; rival < threads; rival++) {
    for (;;) {
      const reached = Atomics.load(progress, rival);
      if (number - reached <= lead) break;
      Atomics.wait(progress, rival, reached, 10);
    }
  }
}

/** Tries until there is a place: the thread that forgets may be behind. */
function claim(expiresAt) {
  for (;;) {
    const outcome = table.claim(key, expiresAt);
    if (outcome !== 'full') return outcome;
    Atomics.wait(progress, self, Atomics.load(progress, self), 1);
  }
}

for (let number = 0; number < keys; number++) {
  waitForRivals(number);
  view.setUint32(0, number);
  view.setUint32(4, 0);
  outcomes[self * keys + number] = OUTCOMES.indexOf(claim((1 + number) * BUCKET_SECONDS));
  // A key of this thread alone, forgotten at once: its slot is freed and taken again all the time.
  view.setUint32(4, 1 + self);
  if (claim(0) !== 'claimed') outcomes[self * keys + number] = OUTCOMES.length;
  Atomics.store(progress, self, number + 1);
  Atomics.notify(progress, self);
}
