/**
 * A byte fuzzer with a time box: damages good inputs and tries every reader of outside bytes with them.
 *
 * Each target draws from a random source of its own, made from the seed and its name, so that its inputs are the
 * same whichever other targets run beside it. What was accepted joins the corpus, so that damage adds up.
 */
import { toHex, utf8 } from '../../core/bytes.js';
import { errorText } from '../../core/errors.js';
import { sha256 } from '../../core/hash.js';
import type { Clock } from '../../core/ports.js';
import { randomBelow, SeededRandom } from '../../core/random.js';
import { mutated } from './mutate.js';
import type { FuzzTarget, FuzzVerdict } from './targets.js';

/** The longest that one input may take, the best of three tries counted: a machine may be busy, a reader not. */
const MAX_INPUT_MILLIS = 1_000;
const TRIES_OF_A_SLOW_INPUT = 3;

/** Inputs that a corpus holds beside the samples. */
const CORPUS_INPUTS = 256;

/** How long inputs run before the event loop gets its turn. */
const SLICE_MILLIS = 50;

export interface FuzzOptions {
  readonly targets: readonly FuzzTarget[];
  readonly seed: number;
  readonly seconds: number;
  readonly clock: Pick<Clock, 'monotonicMillis'>;
  /** Called about once a second. */
  readonly onProgress?: (report: FuzzReport) => void;
}

export interface TargetReport {
  readonly name: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly slowestMicros: number;
}

export interface FuzzFailure {
  readonly target: string;
  /** The how-manieth input of its target it was, from 0. */
  readonly input: number;
  readonly fault: string;
  readonly hex: string;
}

export interface FuzzReport {
  readonly seed: number;
  readonly elapsedSeconds: number;
  readonly targets: readonly TargetReport[];
  readonly failure: FuzzFailure | null;
}

/** Runs until the time is over or an invariant broke. The targets take turns, an equal share of time each. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { targets, seed, seconds, clock, onProgress } = options;
  const started = clock.monotonicMillis();
  const until = started + 1_000 * seconds;
  const runs = targets.map((target) => new TargetRun(target, seed, clock));
  let failure: FuzzFailure | null = null;
  let progressDue = started + 1_000;

  const report = (): FuzzReport => ({
    seed,
    elapsedSeconds: (clock.monotonicMillis() - started) / 1_000,
    targets: runs.map((run) => run.report()),
    failure,
  });
  for (let turn = 0; failure === null && clock.monotonicMillis() < until; turn++) {
    const run = runs[turn % runs.length];
    if (run === undefined) break;
    failure = run.slice(Math.min(until, clock.monotonicMillis() + SLICE_MILLIS));
    if (clock.monotonicMillis() >= progressDue) {
      progressDue += 1_000;
      onProgress?.(report());
    }
    await new Promise(setImmediate);
  }
  return report();
}

/** One target, its corpus and its counts. */
class TargetRun {
  readonly #target: FuzzTarget;
  readonly #clock: Pick<Clock, 'monotonicMillis'>;
  readonly #random: SeededRandom;
  /** The samples, then accepted inputs. */
  readonly #corpus: Uint8Array[];
  #inputs = 0;
  #accepted = 0;
  #slowestMillis = 0;

  constructor(target: FuzzTarget, seed: number, clock: Pick<Clock, 'monotonicMillis'>) {
    this.#target = target;
    this.#clock = clock;
    this.#random = new SeededRandom(new DataView(sha256(utf8(`${seed} ${target.name}`)).buffer).getUint32(0));
    this.#corpus = [...target.samples];
  }

  report(): TargetReport {
    return {
      name: this.#target.name,
      inputs: this.#inputs,
      accepted: this.#accepted,
      slowestMicros: Math.round(1_000 * this.#slowestMillis),
    };
  }

  /** Tries at least one input, and more until the time is reached. The samples themselves come first. */
  slice(untilMillis: number): FuzzFailure | null {
    do {
      const sample = this.#target.samples[this.#inputs];
      const input = sample ?? mutated(this.#corpus, this.#random);
      const verdict = this.#try(input);
      if (typeof verdict === 'object') return this.#failure(input, verdict.fault);
      if (sample !== undefined && verdict !== 'accepted')
        return this.#failure(input, 'a good sample was refused');
      this.#inputs++;
      if (verdict === 'accepted') this.#keep(input);
    } while (this.#clock.monotonicMillis() < untilMillis);
    return null;
  }

  #try(input: Uint8Array): FuzzVerdict {
    let millis = Infinity;
    let verdict: FuzzVerdict = 'refused';
    for (let i = 0; i < TRIES_OF_A_SLOW_INPUT && millis > MAX_INPUT_MILLIS; i++) {
      const before = this.#clock.monotonicMillis();
      try {
        verdict = this.#target.check(input);
      } catch (error) {
        return { fault: `threw: ${errorText(error)}` };
      }
      millis = Math.min(millis, this.#clock.monotonicMillis() - before);
    }
    this.#slowestMillis = Math.max(this.#slowestMillis, millis);
    if (millis > MAX_INPUT_MILLIS) return { fault: `took ${Math.round(millis)} ms` };
    return verdict;
  }

  #keep(input: Uint8Array): void {
    this.#accepted++;
    const samples = this.#target.samples.length;
    if (this.#corpus.length < samples + CORPUS_INPUTS) this.#corpus.push(input);
    else this.#corpus[samples + randomBelow(this.#random, CORPUS_INPUTS)] = input;
  }

  #failure(input: Uint8Array, fault: string): FuzzFailure {
    return { target: this.#target.name, input: this.#inputs, fault, hex: toHex(input) };
  }
}
