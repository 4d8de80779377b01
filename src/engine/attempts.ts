/** What comes of offering an accepted packet to whoever is next. */
import type { NodeId } from '../core/ids.js';
import type { Reason } from '../core/reasons.js';
import type { CaredPacket } from './cared-packet.js';

/** What one attempt came to. */
export type AttemptOutcome =
  /** Done for good: delivered here. */
  | { readonly kind: 'done' }
  /** The next hop's link took it; the packet may have been given another route first. */
  | { readonly kind: 'handedOver'; readonly nextHop: NodeId; readonly cared: CaredPacket }
  /** Not now; try again. */
  | { readonly kind: 'later'; readonly reason: Reason }
  /** The link to the next hop, at this address, has no room: `roomAt` tells when it has. */
  | { readonly kind: 'full'; readonly address: string };

/** What an attempt says of a packet. */
export const ATTEMPTED: {
  readonly [K in AttemptOutcome['kind']]: { readonly kind: 'delivered' | 'forwarded' | 'held' };
} = {
  done: { kind: 'delivered' },
  handedOver: { kind: 'forwarded' },
  later: { kind: 'held' },
  full: { kind: 'held' },
};

export type OnAttempted = (outcome: AttemptOutcome) => void;
