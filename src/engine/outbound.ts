/**
 * Packets that start at this node: the route is chosen, the packet built, judged like any other, and sent.
 *
 * Rules: wire.md (Packet, send_packet), routing.md (choice among the kept routes). A request is answered from what
 * is known: where no route is, a search starts and the caller is told to ask again, since the node may hold
 * its one lock until we answer (node-ipc.md, 7). Main thread only.
 */
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { Reason, reasonName, reasonText } from '../core/reasons.js';
import type { PacketType } from '../packet/packet-type.js';
import { metadataWith } from '../packet/ttl.js';
import { encodePacket, packetId, PACKET_VERSION, type MeshPacket } from '../packet/packet.js';
import type { RoutingPolicyEngine } from '../packet/policy.js';
import { amountMsatOf, type PaymentProof } from '../packet/proof.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { SearchLimits } from '../routing/searches.js';
import type { Route, RoutingTable } from '../routing/table.js';
import type { MeshManager } from './mesh-manager.js';

export interface SendRequest {
  readonly destination: NodeId;
  readonly payload: Uint8Array;
  readonly paymentProof: PaymentProof | null;
  readonly protocolId: string | null;
  /** Whole seconds that the packet may be on its way, at most PACKET_TTL_MOST_SECONDS; null leaves that to each hop. */
  readonly ttlSeconds: number | null;
}

export type SendResult =
  | { readonly ok: true; readonly packetId: Uint8Array; readonly route: Route; readonly priceMsat: bigint }
  | { readonly ok: false; readonly reason: Reason; readonly error: string };

export interface OutboundParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly manager: MeshManager;
  readonly policy: () => RoutingPolicyEngine;
  readonly packetTtlSeconds: () => number;
}

/** What helps a sender, where something does. */
const REMEDIES: ReadonlyMap<Reason, string> = new Map([
  [Reason.PaymentUnknown, 'the node is being asked: send it again'],
  [Reason.GovernanceNotAllowed, 'without a payment only Bitcoin and Stratum V2 messages pass: add a proof'],
]);

export class Outbound {
  readonly #parts: OutboundParts;
  #sequence: bigint;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
    // Above every number of an earlier run: no run sends a million packets a second for its whole life.
    this.#sequence = BigInt(parts.clock.unixSeconds()) << 20n;
  }

  /** Builds, judges and sends one packet. Never rejects. */
  async send(request: SendRequest): Promise<SendResult> {
    const { self, table, discovery, manager, packetTtlSeconds } = this.#parts;
    const { destination, payload, paymentProof } = request;
    if (payload.length > LIMITS.PAYLOAD_BYTES) return refuse(Reason.PayloadTooLarge);
    if (nodeKey(destination) === nodeKey(self)) return refuse(Reason.Loopback);
    const paidMsat = paymentProof === null ? null : amountMsatOf(paymentProof);
    const price = (route: Route): bigint => table.prices.ofPacket(route, payload.length);
    const tried = new Set<string>();
    while (tried.size < LIMITS.ROUTES_PER_DESTINATION) {
      const choice = table.chooser.choose(destination, {
        ...(paidMsat === null ? {} : { paidMsat }),
        accepts: (known) => (paidMsat === null || price(known) <= paidMsat) && !tried.has(nameOf(known)),
      });
      if (!choice.ok) {
        if (tried.size === 0) return this.#noRoute(destination, choice.reason);
        break;
      }
      const { route } = choice;
      if (choice.isDegraded || choice.isLosing) discovery.lookForOthers(destination, choice.isLosing);
      const packet = this.#packet(request, route);
      const outcome = await manager.submitPacket(packet, request.ttlSeconds ?? packetTtlSeconds());
      if (outcome.kind !== 'refused') {
        const id = packetId(encodePacket(packet));
        return { ok: true, packetId: id, route, priceMsat: paymentProof === null ? 0n : price(route) };
      }
      // An invoice that is bound to a route may be bound to another of the few that are kept.
      if (outcome.reason !== Reason.BindingMismatch) {
        return refuse(outcome.reason, REMEDIES.get(outcome.reason));
      }
      tried.add(nameOf(route));
    }
    return refuse(Reason.BindingMismatch);
  }

  #packet(request: SendRequest, route: Route): MeshPacket {
    const { self, clock } = this.#parts;
    const { destination, payload, paymentProof, protocolId, ttlSeconds } = request;
    this.#sequence += 1n;
    return {
      version: PACKET_VERSION,
      packetType: paymentProof === null ? this.#freeType(request) : 'Paid',
      source: self,
      destination,
      route: route.ids,
      sequence: this.#sequence,
      timestamp: BigInt(clock.unixSeconds()),
      paymentProof,
      payload,
      metadata: metadataWith(protocolId, ttlSeconds),
    };
  }

  /**
   * The known routes to a destination; where there is none, a search within the limits starts in the background. Without
   * any hops or time there is nothing to search.
   */
  routes(destination: NodeId, limits: SearchLimits = {}): readonly Route[] {
    const { maxHops = LIMITS.ROUTE_HOPS, timeoutMillis = LIMITS.DISCOVERY_TIMEOUT_MILLIS } = limits;
    const { table, discovery } = this.#parts;
    const known = table.alternatives(destination).filter((route) => route.ids.length - 1 <= maxHops);
    const isWorthIt = known.length === 0 && maxHops > 0 && timeoutMillis > 0;
    if (isWorthIt) void discovery.discover(destination, { maxHops, timeoutMillis });
    return known;
  }

  #noRoute(destination: NodeId, reason: Reason): SendResult {
    if (reason === Reason.RouteConcentrated) {
      this.#parts.discovery.lookForOthers(destination);
      return refuse(reason, 'a search for others was started: ask again');
    }
    const isKnown = this.routes(destination).length > 0;
    return isKnown
      ? refuse(Reason.AmountTooLow)
      : refuse(Reason.RouteUnknown, 'a search was started: ask again');
  }

  #freeType(request: SendRequest): PacketType {
    switch (this.#parts.policy().detectProtocol(request.payload)) {
      case 'BitcoinP2P':
        return 'BitcoinP2P';
      case 'StratumV2':
        return 'StratumV2';
      default:
        // Governance is what is left that can be free; without a place on its list the gate asks for payment.
        return 'CommonsGovernance';
    }
  }
}

function nameOf(route: Route): string {
  return route.ids.map(nodeKey).join();
}

function refuse(reason: Reason, remedy?: string): SendResult {
  const text = `${reasonName(reason)}: ${reasonText(reason)}`;
  return { ok: false, reason, error: remedy === undefined ? text : `${text}; ${remedy}` };
}
