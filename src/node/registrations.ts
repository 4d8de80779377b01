/**
 * What this module has told the node to be: subscribed to events, offering methods. Each connection starts with it.
 *
 * Rules: node-ipc.md, Consequences: subscribe and register again. A refusal shows itself as a closed connection,
 * and only asking again, alone, tells it from a coincidence: so an answer that a lost connection took along is
 * waited for on the next one, up to a deadline.
 */
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import type { RequestPayload, ResponsePayload } from './messages.js';
import type { RequestDesk } from './request-desk.js';

/** The node's answer, or null where there was nothing to ask for. */
type Answer = ResponsePayload | null;

interface Waiter {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

const EVENTS = 'events';

export class Registrations {
  readonly #requests: RequestDesk;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What to ask for, by purpose, in order of its asking. */
  readonly #steps = new Map<string, () => Promise<Answer>>();
  readonly #waiters = new Map<string, Set<Waiter>>();
  /** Event types that are wanted, and those of them that this connection was told. */
  readonly #wanted = new Set<string>();
  readonly #told = new Set<string>();
  #isRestoring = false;
  /** Why no connection will come any more, or null. */
  #over: MeshError | null = null;

  constructor(options: { readonly requests: RequestDesk; readonly clock: Clock; readonly log: Log }) {
    this.#requests = options.requests;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * Subscribes to events, now and on every later connection. Types that the node does not have are left out.
   * @throws MeshError as RequestDesk.submit; where the node answered, it is not asked again
   */
  async subscribe(eventTypes: readonly string[]): Promise<void> {
    for (const type of eventTypes) this.#wanted.add(type);
    this.#plan(EVENTS, () => this.#subscribe());
    await this.#settle(EVENTS);
  }

  /**
   * Sends a request now and at the start of every later connection, until it is forgotten.
   * @param purpose a later registration for the same purpose takes its place
   * @throws MeshError as RequestDesk.submit; it stays registered for the next connection all the same
   */
  register(purpose: string, payload: RequestPayload): Promise<Answer> {
    this.registerLater(purpose, payload);
    return this.#settle(purpose);
  }

  /** Leaves a registration to the next connection. */
  registerLater(purpose: string, payload: RequestPayload): void {
    this.#plan(purpose, () => this.#requests.submit(payload, { isUrgent: true }));
  }

  forget(purpose: string): void {
    this.#steps.delete(purpose);
  }

  /** A new connection was made: until `restore` is done, whoever registers waits for it. */
  begin(): void {
    this.#told.clear();
    this.#isRestoring = true;
  }

  /** Tells the new connection everything. What the node does not take is left out until the next one. */
  async restore(): Promise<void> {
    for (const [purpose, step] of this.#steps) {
      try {
        const answer = await step();
        for (const waiter of this.#takeWaiters(purpose)) waiter.resolve(answer);
      } catch (error) {
        if (isLost(error)) break;
        this.#log.log('warn', 'the node did not take a registration', { purpose, error: errorText(error) });
        for (const waiter of this.#takeWaiters(purpose)) waiter.reject(error);
      }
    }
    this.#isRestoring = false;
  }

  /** No connection will come any more. */
  end(error: MeshError): void {
    this.#over = error;
    for (const purpose of [...this.#waiters.keys()])
      for (const waiter of this.#takeWaiters(purpose)) waiter.reject(error);
  }

  /** Puts a step last, so that a restoration under way comes to it. */
  #plan(purpose: string, step: () => Promise<Answer>): void {
    this.#steps.delete(purpose);
    this.#steps.set(purpose, step);
  }

  /** The outcome of a step: of now, or of the next restoration. */
  async #settle(purpose: string): Promise<Answer> {
    const step = this.#steps.get(purpose);
    if (step !== undefined && this.#requests.isAttached && !this.#isRestoring) {
      try {
        return await step();
      } catch (error) {
        if (!isLost(error)) throw error;
      }
    }
    if (this.#over !== null) throw this.#over;
    return this.#waitFor(purpose);
  }

  #waitFor(purpose: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(purpose) ?? new Set<Waiter>();
      this.#waiters.set(purpose, waiters);
      const timer = this.#clock.after(LIMITS.NODE_REQUEST_MILLIS, () => {
        waiters.delete(waiter);
        reject(
          new MeshError(
            'NODE_REQUEST_TIMEOUT',
            `the node was not there to register ${purpose}; it will be told when it is back`,
            { purpose },
          ),
        );
      });
      const waiter: Waiter = {
        resolve: (answer) => {
          timer.cancel();
          resolve(answer);
        },
        reject: (error) => {
          timer.cancel();
          reject(error instanceof Error ? error : new Error(errorText(error)));
        },
      };
      waiters.add(waiter);
    });
  }

  #takeWaiters(purpose: string): readonly Waiter[] {
    const waiters = [...(this.#waiters.get(purpose) ?? [])];
    this.#waiters.delete(purpose);
    return waiters;
  }

  /** The node adds to what was subscribed before and does not look for repetitions: only what is new is asked for. */
  async #subscribe(): Promise<Answer> {
    const fresh = [...this.#wanted].filter((type) => !this.#told.has(type));
    for (const type of fresh) this.#told.add(type);
    const known = fresh.filter((type) => this.#requests.hasEvent(type));
    if (known.length < fresh.length) {
      const missing = fresh.filter((type) => !known.includes(type));
      this.#log.log('warn', 'the node has no such events', { missing: missing.join(' ') });
    }
    if (known.length === 0) return null;
    try {
      return await this.#requests.submit(
        { name: 'SubscribeEvents', value: { event_types: known } },
        { isUrgent: true },
      );
    } catch (error) {
      for (const type of known) this.#told.delete(type);
      throw error;
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'NODE_CONNECTION_LOST';
}
