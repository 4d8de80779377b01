/**
 * Events that this module publishes on the node: RouteDiscovered, RouteFailed, PaymentVerified (api.md).
 *
 * Every one is a request to the node, which allows few a second (node-ipc.md, 6): past a small rate they are
 * dropped and counted, and forwarding goes on undisturbed. Main thread only.
 */
import { present } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { errorText } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import { reasonName, type Reason } from '../core/reasons.js';
import { TokenBucket } from '../core/token-bucket.js';
import type { Counters } from '../metrics/counters.js';
import type { EventPayload } from '../node/messages.js';
import type { PacketVerdict } from '../pool/judge-port.js';
import type { Route } from '../routing/route.js';
import { judgedPacket } from './cared-packet.js';

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

  routeDiscovered({ ids, cost }: Route): void {
    const destination = present(ids.at(-1), 'a route has an end');
    this.publish({
      name: 'RouteDiscovered',
      value: { destination, route_path: ids.map(nodeKey), route_cost: cost },
    });
  }

  routeFailed(destination: NodeId, reason: Reason): void {
    this.publish({ name: 'RouteFailed', value: { destination, reason: reasonName(reason) } });
  }

  /**
   * A packet's payment was accepted and is on the disk. `payment_id` is its replay key in hex.
   * @param packetBytes decoded only where there is room for one more event
   */
  paymentVerified(packetBytes: Uint8Array, { replayKey, amountMsat }: PacketVerdict): void {
    this.#publishSome('PaymentVerified', () => {
      const { paymentProof } = judgedPacket(packetBytes);
      const invoice = paymentProof?.kind === 'Lightning' ? paymentProof.invoice : '';
      const payment_id = toHex(present(replayKey, 'an accepted payment has a key'));
      return { name: 'PaymentVerified', value: { payment_id, amount_msats: amountMsat, invoice } };
    });
  }

  /** Publishes, or drops what is too much. Never throws. */
  publish(event: EventPayload): void {
    this.#publishSome(event.name, () => event);
  }

  #publishSome(name: string, make: () => EventPayload): void {
    const now = this.#clock.monotonicMillis();
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      const rate = LIMITS.EVENTS_PUBLISHED_PER_SECOND;
      bucket = new TokenBucket(rate, 2 * rate, now);
      this.#buckets.set(name, bucket);
    }
    if (!bucket.take(now)) {
      this.#counters.count('events_not_published');
      return;
    }
    const event = make();
    this.#publish(event).catch((error: unknown) => {
      this.#log.log('debug', 'an event could not be published', {
        event: event.name,
        error: errorText(error),
      });
    });
  }
}
