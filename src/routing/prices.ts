/**
 * What a route costs, for an amount carried and for one packet: by this node's own schedule, for an amount with what the hops
 * declared on top.
 *
 * Rules: routing.md, Fees; docs/transport.md, Hello (price lists). A neighbour that has told its price list refuses what is
 * paid below it, so no route that begins with it is priced lower. Main thread only.
 */
import type { NodeId } from '../core/ids.js';
import type { FeeSchedule } from '../core/policy.js';
import { calculateFee, priceMsat } from '../ledger/fee.js';
import { IdMap } from './id-map.js';
import { hopsOf, type Route } from './route.js';

const MSAT_PER_SAT = 1_000n;

export class RoutePrices {
  /** This node's own. */
  fees: FeeSchedule;
  /** Of neighbours that have told theirs. */
  readonly #lists = new IdMap<{ readonly id: NodeId; readonly fees: FeeSchedule }>();

  constructor(fees: FeeSchedule) {
    this.fees = fees;
  }

  /** An authenticated neighbour's own price list; null where it is gone. */
  declare(neighbour: NodeId, list: FeeSchedule | null): void {
    this.#lists.delete(neighbour);
    if (list !== null) this.#lists.add({ id: neighbour, fees: list });
  }

  /** For an amount carried. In msat, at most 2^64-1. */
  of(route: Route, amountMsat: bigint): bigint {
    const hops = hopsOf(route.ids);
    const own = calculateFee(this.fees, hops, amountMsat, [route.cost * MSAT_PER_SAT]);
    const list = this.#listOfFirst(route);
    return list === null ? own : larger(own, calculateFee(list, hops, amountMsat));
  }

  /** The least that a packet along the route must be paid with: below it this node or the first one refuses it. */
  ofPacket(route: Route, payloadBytes: number): bigint {
    const hops = hopsOf(route.ids);
    const own = priceMsat(this.fees, hops, payloadBytes);
    const list = this.#listOfFirst(route);
    return list === null ? own : larger(own, priceMsat(list, hops, payloadBytes));
  }

  #listOfFirst({ ids: [, first] }: Route): FeeSchedule | null {
    return first === undefined || this.#lists.size === 0 ? null : (this.#lists.get(first)?.fees ?? null);
  }
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
