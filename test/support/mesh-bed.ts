// Module processes on a development network inside the test: what an operator has, with every node at hand.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MeshClient } from '../../src/api/mesh-client.js';
import { present } from '../../src/core/assert.js';
import { toHex } from '../../src/core/bytes.js';
import { systemClock } from '../../src/core/clock.js';
import type { NodeId } from '../../src/core/ids.js';
import { systemRandom } from '../../src/core/random.js';
import {
  runDevNode,
  type CliResult,
  type DevNode,
  type Readiness,
  type RunningDevNode,
  type TopologyLink,
} from '../../src/dev/index.js';
import { prepareDataDir } from '../../src/engine/foundations.js';
import { ModuleIntegration } from '../../src/node/module-integration.js';
import {
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type MethodName,
  type RequestOf,
  type ResponseOf,
} from '../../src/packet/module-api.js';
import { PACKET_VERSION, type MeshPacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { endLater, MeshProcess, temporaryDirectory, waitFor } from './mesh-process.js';

export const MESH = 'blvm-mesh';
/** A deadline, not a measure: on a busy machine six processes that start together take their time. */
const READY_MILLIS = 60_000;

const silent = { log: () => undefined };

/** One node, and the module process on it. */
export interface BedNode {
  readonly index: number;
  readonly node: DevNode;
  readonly nodeId: NodeId;
  readonly dataDir: string;
  module: MeshProcess;
}

/** What `status --json` prints, as far as tests read it. */
export interface Status {
  readonly mode: string;
  readonly peers: number;
  readonly routes: number;
  readonly nodeId: string;
  readonly counters: {
    readonly counts: Readonly<Record<string, number>>;
    readonly refused: Readonly<Record<string, number>>;
  };
  readonly ledger: Readonly<Record<string, unknown>>;
  readonly received: Readonly<Record<string, unknown>>;
}

export interface BedOptions {
  readonly nodes: number;
  /** Between node numbers from 0. */
  readonly links: readonly TopologyLink[];
  /** Lines of every module's configuration. */
  readonly config?: readonly string[];
  /** More lines of one of them. */
  readonly configOf?: (index: number) => readonly string[];
}

export class MeshBed {
  readonly network: RunningDevNode;
  readonly nodes: readonly BedNode[];

  private constructor(network: RunningDevNode, nodes: readonly BedNode[]) {
    this.network = network;
    this.nodes = nodes;
  }

  /** Starts everything; resolves when each module has registered with its node. */
  static async start(options: BedOptions): Promise<MeshBed> {
    const { nodes: count, links, config = [], configOf = () => [] } = options;
    const directory = temporaryDirectory();
    const network = await runDevNode({ nodes: count, topology: links, dir: directory });
    endLater(() => network.close());
    const devNodes = network.network.nodes;
    const prepared = await Promise.all(
      devNodes.map(async (node) => {
        const dataDir = join(directory, 'data', node.name);
        mkdirSync(dataDir, { recursive: true, mode: 0o700 });
        return { node, dataDir, nodeId: await prepareDataDir(dataDir, systemClock, silent) };
      }),
    );
    const payees = prepared.map(({ node, nodeId }) => `${toHex(nodeId)}=${node.payee}`);
    const nodes = prepared.map((parts, index) => {
      writeFileSync(
        join(parts.dataDir, 'config.toml'),
        configText([...config, ...configOf(index), payeesLine(payees)]),
      );
      return { ...parts, index, module: startModule(parts.node, parts.dataDir) };
    });
    const bed = new MeshBed(network, nodes);
    await Promise.all(nodes.map(({ index }) => bed.ready(index)));
    return bed;
  }

  at(index: number): BedNode {
    return present(this.nodes[index], 'a node of the bed');
  }

  /** Waits until a module has done something; says what it wrote where it ended instead. */
  async ready(index: number, readiness: Readiness = 'cli'): Promise<void> {
    const { node, module } = this.at(index);
    const failed = module.ended.then(({ code }) => {
      throw new Error(`the module on ${node.name} ended with ${String(code)}: ${module.stderr}`);
    });
    failed.catch(() => undefined);
    await Promise.race([node.modules.waitFor(MESH, readiness, READY_MILLIS), failed]);
  }

  /** Starts a module again on the same data directory, and waits until it has registered. */
  async restart(index: number): Promise<void> {
    const bedNode = this.at(index);
    await waitFor('the node has noticed the end of the module', () => !this.isConnected(index));
    bedNode.module = startModule(bedNode.node, bedNode.dataDir);
    await this.ready(index);
  }

  isConnected(index: number): boolean {
    return this.at(index).node.modules.find(MESH, () => true) !== null;
  }

  cli(index: number, subcommand: string, ...args: readonly string[]): Promise<CliResult> {
    return this.at(index).node.modules.cli('mesh', subcommand, args);
  }

  async status(index: number): Promise<Status> {
    const { stdout } = await this.cli(index, 'status', '--json');
    return JSON.parse(stdout) as Status;
  }

  /** How often a module has refused something for a reason. */
  async refusals(index: number, reason: string): Promise<number> {
    return (await this.status(index)).counters.refused[reason] ?? 0;
  }

  /** Waits until every module knows as many neighbours as its node has peers. */
  async greeted(): Promise<void> {
    for (const { index, node } of this.nodes) {
      const wanted = node.peers.length;
      await waitFor(`${node.name} knows its ${wanted} neighbours`, async () => {
        return (await this.status(index)).peers === wanted;
      });
    }
  }

  /** A paid invoice of a node's wallet, as an honest sender writes it into a packet. */
  pay(payee: number, amountMsat: bigint): LightningProof {
    const { wallet } = this.at(payee).node;
    const { invoice, expiresAt } = wallet.createInvoice({ amountMsat });
    const { preimage } = this.network.network.pay(invoice);
    const timestamp = BigInt(systemClock.unixSeconds());
    return {
      kind: 'Lightning',
      invoice,
      preimage,
      amountMsats: amountMsat,
      timestamp,
      expiresAt: BigInt(expiresAt),
    };
  }

  /** An honest paid packet along the given nodes; `changes` make it anything else. */
  packet(
    route: readonly number[],
    proof: LightningProof | null,
    changes: Partial<MeshPacket> = {},
  ): MeshPacket {
    const ids = route.map((index) => this.at(index).nodeId);
    return {
      version: PACKET_VERSION,
      packetType: 'Paid',
      source: present(ids[0], 'a route has a source'),
      destination: present(ids.at(-1), 'a route has a destination'),
      route: ids,
      sequence: BigInt(systemClock.unixSeconds()),
      timestamp: BigInt(systemClock.unixSeconds()),
      paymentProof: proof,
      payload: new Uint8Array(64).fill(7),
      metadata: { protocol: 'test-v1', fields: new Map() },
      ...changes,
    };
  }

  /** Bytes over the link between two neighbours, past the sender's module: as a hostile neighbour sends them. */
  sendRaw(from: number, to: number, bytes: Uint8Array): void {
    const isSent = this.at(from).node.sendToPeer(this.at(to).node.address, bytes);
    if (!isSent) throw new Error(`node ${from} and node ${to} are not connected`);
  }

  /** A module of its own beside the mesh on a node. */
  async driver(index: number, name = 'driver'): Promise<Driver> {
    const integration = await ModuleIntegration.connect({
      socketPath: this.at(index).node.socketPath,
      moduleId: name,
      moduleName: name,
      version: '0.1.0',
      clock: systemClock,
      random: systemRandom,
      log: silent,
      requestsPerSecond: 100_000,
    });
    endLater(() => integration.close());
    return new Driver(integration);
  }
}

/** A call that the mesh made to a handler. */
export interface HandlerCall {
  readonly method: string;
  readonly params: Uint8Array;
  readonly caller: string;
}

/** Another module on a node: it calls the mesh and is called by it. */
export class Driver {
  readonly integration: ModuleIntegration;
  readonly client: MeshClient;
  readonly calls: HandlerCall[] = [];
  /** What handler calls are answered with: a failure where false. */
  isWilling = true;

  constructor(integration: ModuleIntegration) {
    this.integration = integration;
    this.client = new MeshClient(integration);
    integration.onInvocation((invocation) => {
      if (invocation.name !== 'ModuleApi') return Promise.resolve({ success: false, error: 'no such thing' });
      const { method, params, caller_module_id: caller } = invocation.value;
      this.calls.push({ method, params: params.slice(), caller });
      return Promise.resolve(
        this.isWilling
          ? { success: true, payload: { name: 'ModuleApi', value: new Uint8Array([1]) } }
          : { success: false, error: 'not now' },
      );
    });
  }

  /** Offers methods to other modules on the node, so that the mesh may call them. */
  async offer(...methods: readonly string[]): Promise<void> {
    await this.integration.nodeApi().registerModuleApi(methods, 1);
  }

  /** The bytes that the mesh answers; rejects with the error that it gives. */
  raw(method: string, params: Uint8Array): Promise<Uint8Array> {
    return this.integration.callModule(MESH, method, params);
  }

  /** A typed call whose answer must be exactly the bytes of its value. */
  async call<M extends MethodName>(method: M, request: RequestOf<M>): Promise<ResponseOf<M>> {
    const bytes = await this.raw(method, encodeRequest(method, request));
    const decoded = decodeResponse(method, bytes);
    if (!decoded.ok)
      throw new Error(`${method} answered bytes that do not decode: ${decoded.failure.detail}`);
    const again = encodeResponse(method, decoded.value);
    if (toHex(again) !== toHex(bytes))
      throw new Error(`${method} answered ${toHex(bytes)}, not ${toHex(again)}`);
    return decoded.value;
  }
}

/** Starts `blvm-mesh run` on a node. */
export function startModule(node: DevNode, dataDir: string): MeshProcess {
  return new MeshProcess(['run', '--socket', node.socketPath, '--data-dir', dataDir]);
}

export function configText(lines: readonly string[]): string {
  return [
    'network = "regtest"',
    ...(lines.some((line) => line.startsWith('listen_addr')) ? [] : ['listen_addr = ""']),
    'workers = 1',
    'hello_interval_seconds = 1',
    'node_requests_per_second = 10000',
    ...lines,
    '',
  ].join('\n');
}

function payeesLine(payees: readonly string[]): string {
  return `payees = ${JSON.stringify(payees)}`;
}
