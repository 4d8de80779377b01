// The catalogue of cheats: the 56 of payments.md by their numbers there, some in several forms, and those that a rival
// falls for (R1 to R8). Each is played against whole nodes (test/support/engine-net.ts): it must be refused for its own
// reason and counted, nothing may be forwarded, delivered, posted or remembered, and honest traffic passes right after.
// `npm run cheats` plays them all and prints a line for each.
import type { ReasonName } from '../../src/core/reasons.js';
import { mustFail, type Arrange } from '../support/engine-cheats.js';
import type { EngineNetOptions } from '../support/engine-net.js';

export interface Cheat {
  /** As in payments.md, or R and a number. */
  readonly number: string;
  readonly name: string;
  /** What the cheat puts on the link. */
  readonly sent: string;
  /** The reason that it is refused for, or what else must come of it. */
  readonly reason: string;
  /** Rejects where the cheat came through, or was refused in any other way than it must be. */
  readonly play: () => Promise<void>;
}

/** A cheat that ends in one packet, which must be refused. */
export function cheat(
  number: number | string,
  name: string,
  sent: string,
  reason: ReasonName,
  arrange: Arrange,
  net: Partial<EngineNetOptions> = {},
): Cheat {
  return { number: String(number), name, sent, reason, play: () => mustFail(reason, arrange, net) };
}
