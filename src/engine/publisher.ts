/**
 * Events that this module publishes on the node: RouteDiscovered, RouteFailed, PaymentVerified (api.md).
 *
 * Every one is a request to the node, which allows few a second (node-ipc.md, 6): past a small rate they are
 * dropped and counted, and forwarding goes on undisturbed. Main thread only.
 */
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import { TokenBucket } from '../core/token-bucket.js';
import type { Counters } from '../metrics/counters.js';
import type { EventPayload } from '../node/messages.js';

/** Sends one event to the node. */
export type Publish = (event: EventPayload) => Promise<void>;

export class EventPublisher {
  readonly #publish: Publish;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #counters: Counters;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(publish: Publish, clock: Clock, log: Log, counters: Counters) {
    this.#publish = publish;
    this.#clock = clock;
    this.#log = log;
    this.#counters = counters;
  }

  /** Publishes, or drops what is too much. Never throws. */
  publish(event: EventPayload): void {
    const now = this.#clock.monotonicMillis();
    let bucket = this.#buckets.get(event.name);
    if (bucket === undefined) {
      const rate = LIMITS.EVENTS_PUBLISHED_PER_SECOND;
      bucket = new TokenBucket(rate, 2 * rate, now);
      this.#buckets.set(event.name, bucket);
    }
    if (!bucket.take(now)) {
      this.#counters.count('events_not_published');
      return;
    }
    this.#publish(event).catch((error: unknown) => {
      this.#log.log('debug', 'an event could not be published', {
        event: event.name,
        error: errorText(error),
      });
    });
  }
}
