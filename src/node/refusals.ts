/**
 * Which kinds of requests the node refuses. It says so only by closing the connection.
 *
 * Rules: node-ipc.md, 5 and Consequences: learn what is refused, do without it, never loop. When the node closes
 * while several kinds wait for an answer, each is under suspicion and goes alone from then on; a kind at which
 * the node closes twice while it is alone is refused. An answer clears a kind, and so does silence. A kind that was
 * answered once is allowed: when the node closes on it, that one request failed (a peer is gone, a module is not
 * there), and the next may not. A node that was down may have been started with other permissions, so that clears
 * everything.
 */
import { capabilityFor } from './capabilities.js';

/** How often the node must close on a kind alone. Once may have been a coincidence. */
const STRIKES = 2;

/** What an operator can do so that requests of a kind are served. */
export function remedyFor(request: string): string {
  const capability = capabilityFor(request);
  return capability === null
    ? 'see the log of the node for the cause'
    : `add "${capability}" to the capabilities in module.toml, and see the log of the node`;
}

/** What this module does without where the node refuses a kind of request. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  SubscribeEvents: 'nothing that happens on the node is seen',
  SendMeshPacketToPeer: 'no packet leaves over the node',
  GetNetworkPeers: 'peers are greeted only as they connect',
  RegisterModuleApi: 'other modules cannot call the mesh',
  RegisterCliSpec: "the node's command line has no mesh commands; `blvm-mesh` itself has them",
  PublishEvent: 'routes and payments are not announced to other modules',
  CallModule:
    'packets wait to be polled instead of being handed to their modules, and there are no hop invoices',
  IsModuleAvailable: 'there are no hop invoices',
  GetLightningInfo: 'the own Lightning key is not known: payments to it count only with own_payee set',
  GetPaymentState: 'payments on the chain are refused as PaymentUnknown',
  GetUtxo: 'payments by covenant are refused as PaymentUnknown',
};

export function consequenceOf(request: string): string {
  return CONSEQUENCES[request] ?? 'this module does without its answers';
}

export class Refusals {
  readonly #suspects = new Set<string>();
  readonly #strikes = new Map<string, number>();
  readonly #refused = new Set<string>();
  /** The kinds that were answered since the node came up. */
  readonly #served = new Set<string>();

  /** The kinds that the node refuses. */
  get refused(): readonly string[] {
    return [...this.#refused];
  }

  /** The kinds that go alone until they are answered. */
  get suspects(): readonly string[] {
    return [...this.#suspects];
  }

  isRefused(request: string): boolean {
    return this.#refused.has(request);
  }

  isSuspect(request: string): boolean {
    return this.#suspects.has(request);
  }

  /** An answer came: the node serves this kind. */
  answered(request: string): void {
    this.#served.add(request);
    this.cleared(request);
  }

  /** The node did not close on it, though no answer came in time. */
  cleared(request: string): void {
    this.#suspects.delete(request);
    this.#strikes.delete(request);
  }

  /**
   * The node closed the connection.
   * @param unanswered the kinds of the requests it had not answered, one entry for each request
   * @returns the kind that counts as refused from now on, or null
   */
  nodeClosed(unanswered: readonly string[]): string | null {
    for (const request of unanswered) this.#suspects.add(request);
    const [alone, ...others] = unanswered;
    if (alone === undefined || others.length > 0 || this.#served.has(alone)) return null;
    const strikes = (this.#strikes.get(alone) ?? 0) + 1;
    this.#strikes.set(alone, strikes);
    if (strikes < STRIKES) return null;
    this.#suspects.delete(alone);
    this.#refused.add(alone);
    return alone;
  }

  nodeWasDown(): void {
    this.#suspects.clear();
    this.#strikes.clear();
    this.#refused.clear();
    this.#served.clear();
  }
}
