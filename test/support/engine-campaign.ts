/**
 * A seeded campaign against a network of engines: honest packets, hostile ones, links that are cut or fall silent,
 * nodes that are killed and come back. It keeps book of every honest packet, so that a test can ask at the end
 * what became of each.
 */
import { present } from '../../src/core/assert.js';
import { toHex, utf8 } from '../../src/core/bytes.js';
import { randomBelow } from '../../src/core/random.js';
import { reasonName } from '../../src/core/reasons.js';
import { packetId, type MeshPacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { EngineNet, type Hop } from './engine-net.js';
import type { LinkQuality } from './engine-links.js';
import type { EngineNode } from './engine-node.js';
import { testPayee } from './invoices.js';

export const CAMPAIGN_TTL_SECONDS = 8;

type Link = readonly [number, number];

export interface CampaignOptions {
  readonly seed: number;
  readonly steps: number;
  readonly quality: LinkQuality;
}

/** What is known of one honest packet; its payload is its name. */
interface Sent {
  readonly from: number;
  readonly to: number;
  /** Somebody was told that it failed. */
  isReported: boolean;
  /** A node that had accepted it was killed: it may have died with it. */
  isExcused: boolean;
}

export class Campaign {
  readonly net: EngineNet;
  readonly sent = new Map<string, Sent>();
  /** Payloads delivered anywhere, each as often as it was, and where. */
  readonly delivered: { readonly at: number; readonly payload: string }[] = [];
  /** What must not happen, in words. */
  readonly faults: string[] = [];
  readonly counts = { hostile: 0, cuts: 0, silences: 0, kills: 0 };
  readonly #steps: number;
  readonly #links: readonly Link[];
  readonly #silent = new Set<Link>();
  readonly #nameOfId = new Map<string, string>();
  /** How many deliveries of a run are in the book. */
  readonly #known = new WeakMap<EngineNode, number>();
  #hopsNamed = 0;

  static async start({ seed, steps, quality }: CampaignOptions): Promise<Campaign> {
    const nodes = 5 + (seed % 3);
    const links: Link[] = Array.from({ length: nodes }, (_, index) => [index, (index + 1) % nodes]);
    links.push([0, Math.floor(nodes / 2)], [1, nodes - 2]);
    const options = { seed, nodes, links, packetTtlSeconds: CAMPAIGN_TTL_SECONDS };
    const net = await EngineNet.start(options);
    net.links.quality = quality;
    return new Campaign(net, links, steps);
  }

  private constructor(net: EngineNet, links: readonly Link[], steps: number) {
    this.net = net;
    this.#links = links;
    this.#steps = steps;
  }

  /** Does all steps, heals the network, and waits until every packet has been settled one way or another. */
  async run(): Promise<void> {
    for (let step = 0; step < this.#steps; step++) {
      await this.net.run(this.#below(120));
      const draw = this.net.random.unit();
      if (draw < 0.55) await this.#honest(`honest ${step}`);
      else if (draw < 0.85) await this.#hostile();
      else if (draw < 0.97) this.#shakeLink();
      else await this.#shakeNode();
      this.#nameHops();
    }
    await this.#heal();
    await this.net.run(70_000, 25);
    this.#nameHops();
    for (const index of this.net.nodes.keys()) this.#collect(index);
  }

  /** Honest packets that neither arrived nor were told to have failed, and have no excuse. */
  lost(): string[] {
    const arrived = new Set(this.delivered.map(({ payload }) => payload));
    return [...this.sent]
      .filter(([name, { isReported, isExcused }]) => !arrived.has(name) && !isReported && !isExcused)
      .map(([name]) => name);
  }

  async #honest(name: string): Promise<void> {
    const { net } = this;
    const from = this.#below(net.nodes.length);
    const to = (from + 1 + this.#below(net.nodes.length - 1)) % net.nodes.length;
    if (net.node(from).isClosed) return;
    const result = await net.send(from, to, utf8(name));
    this.sent.set(name, { from, to, isReported: !result.ok, isExcused: false });
    if (result.ok) this.#nameOfId.set(toHex(result.packetId), name);
  }

  async #hostile(): Promise<void> {
    const { net } = this;
    const up = this.#links.filter(([a, b]) => this.#isUp(a, b) && net.areNeighbours(a, b));
    const link = up[this.#below(Math.max(1, up.length))];
    if (link === undefined) return;
    const [from, to] = net.random.unit() < 0.5 ? link : [link[1], link[0]];
    this.counts.hostile += 1;
    const old = this.#deliveredHop();
    const fresh = (changes: Partial<MeshPacket>): MeshPacket => net.packet([from, to], changes);
    switch (this.#below(8)) {
      case 0:
        return this.#mustRefuse(from, to, net.random.bytes(this.#below(400)));
      case 1:
        if (old !== null) await this.#mustRefuse(from, to, old.bytes.slice(0, this.#below(old.bytes.length)));
        return;
      case 2:
        return this.#mustRefuse(from, to, fresh({ paymentProof: lie(net.pay(to)) }));
      case 3:
        return this.#mustRefuse(from, to, fresh({ paymentProof: net.pay(from) }));
      case 4:
        return this.#mustRefuse(from, to, fresh({ paymentProof: net.pay(to, { payee: testPayee(1) }) }));
      case 5:
        return this.#mustRefuse(from, to, net.packet([to, from]));
      case 6:
        // The very bytes once more, from whom they came before.
        if (old !== null && this.#isUp(old.from, old.to)) await net.inject(old.from, old.to, old.bytes);
        return;
      case 7:
        if (old !== null) await net.inject(from, to, this.#altered(old, from, to));
    }
  }

  /** A used payment in another packet: some node may not know it yet, but its destination does. */
  #altered({ packet }: Hop, from: number, to: number): MeshPacket {
    const source = this.net.idOf(from);
    const here = this.net.idOf(to);
    const { destination } = packet;
    const isEnd = toHex(here) === toHex(destination);
    const payload = utf8('stolen');
    const route = isEnd ? [source, here] : [source, here, destination];
    return { ...packet, source, route, payload, sequence: packet.sequence + 1n };
  }

  async #mustRefuse(from: number, to: number, packet: MeshPacket | Uint8Array): Promise<void> {
    const outcome = await this.net.inject(from, to, packet);
    if (outcome.kind !== 'refused') this.faults.push(`a hostile packet was ${outcome.kind}`);
    else if (reasonName(outcome.reason) === 'Overloaded') this.faults.push('a node is overloaded');
  }

  #deliveredHop(): Hop | null {
    const { hops } = this.net;
    const hop = hops[this.#below(Math.max(1, hops.length))];
    if (hop === undefined) return null;
    for (const index of this.net.nodes.keys()) this.#collect(index);
    const name = nameOf(hop.packet);
    return this.delivered.some(({ payload }) => payload === name) ? hop : null;
  }

  #shakeLink(): void {
    const link = present(this.#links[this.#below(this.#links.length)], 'a campaign has links');
    const [a, b] = link;
    if (!this.#isUp(a, b)) this.#mend(link);
    else if (this.net.random.unit() < 0.5) {
      this.counts.cuts += 1;
      this.net.cut(a, b);
    } else {
      this.counts.silences += 1;
      this.#silent.add(link);
      this.net.silence(a, b);
    }
  }

  /** A link that had fallen silent was broken: both ends are told of that as well. */
  #mend(link: Link): void {
    const [a, b] = link;
    if (this.net.node(a).isClosed || this.net.node(b).isClosed) return;
    if (this.#silent.delete(link)) this.net.cut(a, b);
    this.net.connect(a, b);
  }

  async #shakeNode(): Promise<void> {
    const { net } = this;
    const dead = [...net.nodes.keys()].find((index) => net.node(index).isClosed);
    if (dead !== undefined) {
      await net.revive(dead);
      return;
    }
    this.counts.kills += 1;
    const victim = this.#below(net.nodes.length);
    this.#nameHops();
    this.#excuse(victim);
    this.#collect(victim);
    await net.stop(victim, 'kill');
  }

  /** Packets that a node had in its hands when it was killed. */
  #excuse(victim: number): void {
    for (const sent of this.sent.values()) if (sent.from === victim) sent.isExcused = true;
    for (const hop of this.net.hops) {
      if (hop.to !== victim && hop.from !== victim) continue;
      const sent = this.sent.get(nameOf(hop.packet));
      if (sent !== undefined) sent.isExcused = true;
    }
  }

  async #heal(): Promise<void> {
    for (const index of this.net.nodes.keys()) {
      if (this.net.node(index).isClosed) await this.net.revive(index);
    }
    for (const link of this.#links) if (!this.#isUp(...link)) this.#mend(link);
  }

  /** Takes over what a run of a node has delivered and reported so far. */
  #collect(index: number): void {
    const node = this.net.node(index);
    const known = this.#known.get(node) ?? 0;
    const all = node.delivered();
    this.#known.set(node, all.length);
    for (const { payload } of all.slice(known)) {
      this.delivered.push({ at: index, payload: Buffer.from(payload).toString() });
    }
    for (const id of node.expired) {
      const sent = this.sent.get(this.#nameOfId.get(id) ?? '');
      if (sent !== undefined) sent.isReported = true;
    }
  }

  #nameHops(): void {
    const { hops } = this.net;
    for (const { bytes, packet } of hops.slice(this.#hopsNamed)) {
      this.#nameOfId.set(toHex(packetId(bytes)), nameOf(packet));
    }
    this.#hopsNamed = hops.length;
  }

  #isUp(a: number, b: number): boolean {
    return this.net.links.isUp(a, b) && !this.net.node(a).isClosed && !this.net.node(b).isClosed;
  }

  #below(bound: number): number {
    return randomBelow(this.net.random, bound);
  }
}

function lie(proof: LightningProof): LightningProof {
  return { ...proof, preimage: new Uint8Array(32) };
}

function nameOf(packet: MeshPacket): string {
  return Buffer.from(packet.payload).toString();
}
