/**
 * The flood campaign: one peer floods junk over the real transport, as fast as TCP takes it, while honest peers send paid
 * packets through the same node to another. The node is a real module in a process of its own.
 *
 * Rules: architecture.md (one flooding peer cannot starve others), docs/transport.md (Limits, Order), payments.md (a
 * reason for every refusal). What honest peers offer is a fraction of what the node can forward: in the flood as much
 * of it must arrive as before.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import { SeededRandom } from '../core/random.js';
import type { ReasonName } from '../core/reasons.js';
import { decodePacket } from '../packet/packet.js';
import { until } from './bed.js';
import { BarePeer } from './bare-peer.js';
import { FloodNode, type FloodStatus } from './flood-node.js';
import type { FlooderReport, FlooderStart } from './flooder.js';
import { OverloadPackets } from './overload-packets.js';

export interface FloodOptions {
  /** Of the whole campaign: a quarter without the flood, the rest but two seconds with it. At least 8. */
  readonly seconds: number;
  readonly seed: number;
  readonly workers?: number;
  /** Paid packets a second that the honest peers send together. */
  readonly honestRate?: number;
  readonly onProgress?: (seconds: number, detail: string) => void;
}

/** What the honest peers saw in one part of the campaign. */
export interface FloodPart {
  readonly offered: number;
  /** Forwarded by the node to where they were meant for. */
  readonly arrived: number;
}

export interface FloodResult {
  readonly alone: FloodPart;
  readonly flood: FloodPart;
  readonly after: FloodPart;
  /** Frames that the flooding peer gave to its sockets, a second; and its connections that the node ended. */
  readonly floodPerSecond: number;
  readonly cutOff: number;
  /** Packets that the node has received, of all peers. */
  readonly received: number;
  readonly refused: Readonly<Partial<Record<ReasonName, number>>>;
  /** Resident memory of the node in MiB: when the flood was a third over, and the most in its last third. */
  readonly residentMib: readonly [before: number, after: number];
  readonly seconds: number;
  /** Packets without a reason, or junk that passed. */
  readonly violations: readonly string[];
  /** Bounds that were missed; they depend on the machine. */
  readonly missed: readonly string[];
}

const HONEST_PEERS = 4;
const HONEST_RATE = 200;
const SECONDS_AFTER = 2;
const TICK_MILLIS = 2;
const PROGRESS_MILLIS = 250;
const PAYLOAD_BYTES = 200;
/** How long packets may be under way before they count as lost. */
const SETTLE_MILLIS = 1_500;
const PARTS = ['alone', 'flood', 'after'] as const;

/** The bounds (issue: overload). */
const LEAST_SHARE = 0.9;
const MEMORY_SLACK_MIB = 64;
const LEAST_FLOOD_PER_SECOND = 1_000;

/** Refusals of connections: all others are of packets that were received. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set<ReasonName>([
  'PeerMisbehaved',
  'PeerBanned',
  'AddressLimit',
  'HandshakeLimit',
  'HandshakeFailed',
  'LinkFull',
  'SlowReader',
]);

/** Runs a whole campaign. @throws MeshError where the node does not start */
export async function runFloodCampaign(options: FloodOptions): Promise<FloodResult> {
  const directory = await mkdtemp(join(tmpdir(), 'blvm-mesh-flood-'));
  const node = await FloodNode.start({ directory, seed: options.seed, workers: options.workers ?? 1 });
  const campaign = new FloodCampaign(options, node);
  try {
    return await campaign.run();
  } finally {
    campaign.close();
    await node.close();
    await rm(directory, { recursive: true, force: true });
  }
}

class FloodCampaign {
  readonly #options: FloodOptions;
  readonly #node: FloodNode;
  readonly #random: SeededRandom;
  readonly #startedAt = performance.now();
  readonly #offered = PARTS.map(() => 0);
  readonly #arrived = PARTS.map(() => 0);
  readonly #honest: { readonly peer: BarePeer; readonly packets: OverloadPackets }[] = [];
  #sink: BarePeer | null = null;

  constructor(options: FloodOptions, node: FloodNode) {
    this.#options = options;
    this.#node = node;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<FloodResult> {
    const { seconds } = this.#options;
    await this.#connect();
    const aloneSeconds = seconds / 4;
    const floodSeconds = seconds - aloneSeconds - SECONDS_AFTER;
    await this.#drive(0, aloneSeconds);
    const flooder = this.#startFlooder();
    const memory: number[] = [];
    await this.#drive(1, floodSeconds, memory);
    const { frames, cutOff } = await stopped(flooder);
    await this.#drive(2, SECONDS_AFTER);
    const status = await this.#settled();
    const third = Math.floor(memory.length / 3);
    const residentMib = [
      Math.max(0, ...memory.slice(0, third + 1)),
      Math.max(0, ...memory.slice(-third - 1)),
    ] as const;
    const parts = { alone: this.#part(0), flood: this.#part(1), after: this.#part(2) };
    const floodPerSecond = frames / floodSeconds;
    return {
      ...parts,
      floodPerSecond,
      cutOff,
      received: status.counts['packets_received'] ?? 0,
      refused: status.refused,
      residentMib,
      seconds: (performance.now() - this.#startedAt) / 1_000,
      violations: violationsOf(status, Object.values(parts)),
      missed: missedFloodBounds({ ...parts, floodPerSecond, residentMib }),
    };
  }

  close(): void {
    for (const { peer } of this.#honest) peer.close();
    this.#sink?.close();
  }

  /** The sink says whom it is paid by: the honest peers' packets are paid to keys that it has declared. */
  async #connect(): Promise<void> {
    const { port, nodeId } = this.#node;
    const [sinkSecret, secrets] = [
      this.#random.bytes(32),
      Array.from({ length: HONEST_PEERS }, () => this.#random.bytes(32)),
    ];
    const sinkId = BarePeer.idOf(sinkSecret);
    for (const secret of secrets) {
      const route = [BarePeer.idOf(secret), nodeId, sinkId];
      const packets = new OverloadPackets(this.#random, systemClock.unixSeconds(), route);
      this.#honest.push({ peer: await BarePeer.dial({ port, secret }), packets });
    }
    this.#sink = await BarePeer.dial({
      port,
      secret: sinkSecret,
      payees: this.#honest.map(({ packets }) => packets.payee),
      onPacket: (bytes) => {
        const decoded = decodePacket(bytes);
        if (!decoded.ok || decoded.value.packet.paymentProof === null) return;
        const part = decoded.value.packet.payload[0] ?? 0;
        this.#arrived[part] = (this.#arrived[part] ?? 0) + 1;
      },
    });
    await until('the node knows its peers', async () => {
      return (await this.#node.status()).peers === HONEST_PEERS + 1;
    });
  }

  #startFlooder(): Worker {
    const { port, nodeId: target } = this.#node;
    // Other draws than those that made the honest peers: it is none of them.
    const start: FlooderStart = { port, target, seed: this.#options.seed + 1 };
    return new Worker(new URL('../../dist/stress/flooder.js', import.meta.url), { workerData: start });
  }

  /** Offers what is due until the time is over. */
  async #drive(part: number, seconds: number, memory?: number[]): Promise<void> {
    const { honestRate = HONEST_RATE, onProgress } = this.#options;
    const payload = new Uint8Array(PAYLOAD_BYTES).fill(part, 0, 1);
    const startedAt = performance.now();
    let [sent, toldAt] = [0, 0];
    for (;;) {
      const now = performance.now();
      const passed = (now - startedAt) / 1_000;
      if (passed >= seconds) break;
      for (; sent < passed * honestRate; sent++) {
        const { peer, packets } = present(this.#honest[sent % HONEST_PEERS], 'an honest peer');
        peer.session.send(packets.paid(payload), '');
      }
      if (now - toldAt > PROGRESS_MILLIS) {
        toldAt = now;
        memory?.push(await this.#node.residentMib());
        onProgress?.(
          Math.floor((now - this.#startedAt) / 1_000),
          `${PARTS[part] ?? ''}: ${this.#arrived[part] ?? 0} of ${sent}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MILLIS));
    }
    this.#offered[part] = sent;
  }

  /** What the node says when nothing comes any more. */
  async #settled(): Promise<FloodStatus> {
    for (let last = -1; ;) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS));
      const status = await this.#node.status();
      const accounted = accountedFor(status);
      if (accounted === last) return status;
      last = accounted;
    }
  }

  #part(part: number): FloodPart {
    return { offered: this.#offered[part] ?? 0, arrived: this.#arrived[part] ?? 0 };
  }
}

async function stopped(flooder: Worker): Promise<FlooderReport> {
  const told = once(flooder, 'message') as Promise<[FlooderReport]>;
  flooder.postMessage('stop');
  const [report] = await told;
  await flooder.terminate();
  return report;
}

/** Packets of which the node has said what became of them. */
function accountedFor({ counts, refused }: FloodStatus): number {
  const passed = ['packets_paid', 'packets_free', 'packets_control', 'packets_duplicate'];
  const ofPackets = Object.entries(refused).filter(([reason]) => !OF_CONNECTIONS.has(reason));
  return [...passed.map((name) => counts[name] ?? 0), ...ofPackets.map(([, count]) => count)].reduce(
    (sum, count) => sum + count,
    0,
  );
}

export function violationsOf(status: FloodStatus, parts: readonly FloodPart[]): readonly string[] {
  const { counts } = status;
  const [received, paid, free] = ['packets_received', 'packets_paid', 'packets_free'].map(
    (name) => counts[name] ?? 0,
  );
  const accounted = accountedFor(status);
  const offered = parts.reduce((sum, part) => sum + part.offered, 0);
  const found: (readonly [boolean, string])[] = [
    [
      received !== accounted,
      `${received ?? 0} packets were received, ${accounted} are accounted for: some have no reason`,
    ],
    [(paid ?? 0) > offered, `${paid ?? 0} packets passed as paid, of ${offered} that were`],
    [(free ?? 0) > 0, `${free ?? 0} packets of junk passed as free`],
  ];
  return found.filter(([isSo]) => isSo).map(([, what]) => what);
}

/** Which bounds were missed, in words. */
export function missedFloodBounds(
  found: Pick<FloodResult, 'alone' | 'flood' | 'after' | 'floodPerSecond' | 'residentMib'>,
): readonly string[] {
  const { floodPerSecond, residentMib } = found;
  const [before, most] = residentMib;
  const shares = PARTS.map((name) => [name, shareOf(found[name])] as const);
  const missed: (readonly [boolean, string])[] = [
    ...shares.map(
      ([name, share]) =>
        [
          !(share >= LEAST_SHARE),
          `${(share * 100).toFixed(1)} % of what honest peers offered arrived (${name})`,
        ] as const,
    ),
    [
      floodPerSecond < LEAST_FLOOD_PER_SECOND,
      `the flood was only ${Math.round(floodPerSecond)} frames a second`,
    ],
    [
      most > before + MEMORY_SLACK_MIB,
      `resident memory grew from ${before.toFixed(0)} to ${most.toFixed(0)} MiB in the flood`,
    ],
  ];
  return missed.filter(([isMissed]) => isMissed).map(([, what]) => what);
}

/** Of what was offered, as much has arrived; NaN of nothing. */
export function shareOf({ offered, arrived }: FloodPart): number {
  return arrived / offered;
}
