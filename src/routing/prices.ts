/**
 * What a route costs for an amount carried: by this node's own schedule, with what the hops declared on top.
 *
 * Rules: routing.md, Fees; docs/transport.md, Hello (price lists). A neighbour that has told its price list refuses what is
 * paid below it, so no route that begins with it is priced lower. Main thread only.
 */
import type { NodeId } from '../core/ids.js';
import type { FeeSchedule } from '../core/policy.js';
import { calculateFee } from '../ledger/fee.js';
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

  /** In msat, at most 2^64-1. */
  of(route: Route, amountMsat: bigint): bigint {
    const hops = hopsOf(route.ids);
    const own = calculateFee(this.fees, hops, amountMsat, [route.cost * MSAT_PER_SAT]);
    const [, first] = route.ids;
    const list = first === undefined ? undefined : this.#lists.get(first);
    if (list === undefined) return own;
    const asked = calculateFee(list.fees, hops, amountMsat);
    return asked > own ? asked : own;
  }
}
