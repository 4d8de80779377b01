/**
 * What the crash campaign is run on: a development network of three nodes in a line, in this process, with a real
 * module process on each and another module beside it that sends, offers and receives.
 *
 * The nodes outlive their modules, as in the field; a killed module is started again on its data directory.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeshClient } from '../api/mesh-client.js';
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import { decode } from '../core/codec.js';
import { errorText, MeshError } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { systemRandom } from '../core/random.js';
import { MODULE_NAME } from '../core/version.js';
import { prepareDataDir } from '../engine/foundations.js';
import { runDevNode, type DevNode, type RunningDevNode } from '../dev/index.js';
import { ModuleIntegration } from '../node/module-integration.js';
import { encodeRequest, packetFromPeer } from '../packet/module-api.js';
import { decodePacket } from '../packet/packet.js';
import type { LightningProof } from '../packet/proof.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/** The protocol of the campaign's packets. */
export const PROTOCOL = 'stress-v1';

const DRIVER = 'crash-campaign';
const HANDLER = 'deliver';
const START_MILLIS = 30_000;
const POLL_MILLIS = 5;
/** Invoices outlive any campaign: a proof that is refused at its end is refused for its use. */
const INVOICE_SECONDS = 30 * 86_400;
const LAST_WORDS_CHARS = 2_000;

const silent = { log: () => undefined };

/** The three nodes: packets go down the line. */
export const LINE: readonly number[] = [0, 1, 2];

interface Place {
  readonly node: DevNode;
  readonly nodeId: NodeId;
  readonly dataDir: string;
  readonly driver: ModuleIntegration;
  readonly client: MeshClient;
  child: ChildProcess;
  lastWords: string;
}

/** What `status --json` says, as far as the campaign reads it. */
export interface LedgerStatus {
  readonly peers: number;
  readonly postings: number;
  readonly totalMsat: bigint;
  readonly isConserved: boolean;
}

export class CrashBed {
  readonly #network: RunningDevNode;
  readonly #directory: string;
  readonly #places: readonly Place[];

  private constructor(network: RunningDevNode, directory: string, places: readonly Place[]) {
    this.#network = network;
    this.#directory = directory;
    this.#places = places;
  }

  /**
   * Starts everything; resolves when the modules know each other.
   * @param onDelivered called with the payload of each packet that a mesh hands to its protocol's handler
   */
  static async start(
    seed: number,
    onDelivered: (at: number, payload: Uint8Array) => void,
  ): Promise<CrashBed> {
    const directory = await mkdtemp(join(tmpdir(), 'blvm-mesh-crash-'));
    const links = LINE.slice(1).map((index) => [index - 1, index] as const);
    const network = await runDevNode({ nodes: LINE.length, topology: links, dir: directory, seed });
    const places: Place[] = [];
    const bed = new CrashBed(network, directory, places);
    try {
      const prepared = await Promise.all(network.network.nodes.map((node) => prepare(directory, node)));
      const payees = prepared.map(({ node, nodeId }) => `${nodeKey(nodeId)}=${node.payee}`);
      for (const [index, parts] of prepared.entries()) {
        await writeFile(join(parts.dataDir, 'config.toml'), configText(payees));
        const driver = await connectDriver(parts.node);
        driver.onInvocation((invocation) => {
          const isOurs = invocation.name === 'ModuleApi' && invocation.value.method === HANDLER;
          const call = isOurs ? decode(packetFromPeer, invocation.value.params) : null;
          if (call?.ok !== true) return Promise.resolve({ success: false, error: 'no such method' });
          const packet = decodePacket(call.value[0]);
          onDelivered(index, packet.ok ? packet.value.packet.payload : new Uint8Array(0));
          return Promise.resolve({
            success: true,
            payload: { name: 'ModuleApi', value: Uint8Array.of(1) },
          });
        });
        await driver.nodeApi().registerModuleApi([HANDLER], 1);
        const client = new MeshClient(driver);
        places.push({ ...parts, driver, client, child: startModule(parts), lastWords: '' });
      }
      await Promise.all(LINE.map((index) => bed.#up(index)));
      return bed;
    } catch (error) {
      await bed.close();
      throw error;
    }
  }

  nodeId(index: number): NodeId {
    return this.#at(index).nodeId;
  }

  dataDir(index: number): string {
    return this.#at(index).dataDir;
  }

  /** A paid invoice of a node's wallet, as an honest sender writes it into a packet. */
  pay(payee: number, amountMsat: bigint): LightningProof {
    const { wallet } = this.#at(payee).node;
    const { invoice, expiresAt } = wallet.createInvoice({ amountMsat, expirySeconds: INVOICE_SECONDS });
    const { preimage } = this.#network.network.pay(invoice);
    return {
      kind: 'Lightning',
      invoice,
      preimage,
      amountMsats: amountMsat,
      timestamp: BigInt(systemClock.unixSeconds()),
      expiresAt: BigInt(expiresAt),
    };
  }

  /** Sends by `send_packet`. @returns null where the mesh took it, else why not */
  async send(from: number, to: number, payload: Uint8Array, proof: LightningProof): Promise<string | null> {
    try {
      const options = { paymentProof: proof, protocolId: PROTOCOL };
      const sent = await this.#at(from).client.sendPacket(this.nodeId(to), payload, options);
      return sent.success ? null : (sent.error ?? 'not sent');
    } catch (error) {
      return errorText(error);
    }
  }

  /** Offers a packet to a node as coming from a neighbour. @returns null where the mesh took it, else why not */
  async offer(at: number, from: number, packet: Uint8Array): Promise<string | null> {
    try {
      const params = encodeRequest('handle_mesh_packet', [packet, this.#at(from).node.address]);
      await this.#at(at).driver.callModule(MODULE_NAME, 'handle_mesh_packet', params);
      return null;
    } catch (error) {
      return errorText(error);
    }
  }

  async ledger(index: number): Promise<LedgerStatus> {
    const { stdout } = await this.#at(index).node.modules.cli('mesh', 'status', ['--json']);
    const { peers, ledger } = JSON.parse(stdout) as {
      readonly peers: number;
      readonly ledger: {
        readonly postings: number;
        readonly totalMsat: string;
        readonly conserved: boolean;
      };
    };
    const { postings, totalMsat, conserved } = ledger;
    return { peers, postings, totalMsat: BigInt(totalMsat), isConserved: conserved };
  }

  /** SIGKILL. Resolves when the process is gone. */
  async kill(index: number): Promise<void> {
    const { child } = this.#at(index);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Starts a killed module again, without waiting for it. */
  async begin(index: number): Promise<void> {
    const place = this.#at(index);
    await until('the node has noticed the end of the module', () => !isRegistered(place.node));
    place.lastWords = '';
    place.child = startModule(place);
  }

  /** Waits until a module that was begun knows its neighbours and who takes its packets. */
  ready(index: number): Promise<void> {
    return this.#up(index);
  }

  /** Ends everything and removes what is left of it. */
  async close(): Promise<void> {
    for (const [index, { driver }] of this.#places.entries()) {
      await this.kill(index);
      await driver.close();
    }
    await this.#network.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #up(index: number): Promise<void> {
    const place = this.#at(index);
    const { node, child, client } = place;
    child.stderr?.on('data', (chunk: Buffer) => {
      place.lastWords = (place.lastWords + chunk.toString()).slice(-LAST_WORDS_CHARS);
    });
    const gone = new AbortController();
    const ended = once(child, 'exit', { signal: gone.signal }).then(() => {
      throw new MeshError('DEV_NODE_FAILED', `the module on ${node.name} ended: ${place.lastWords.trim()}`);
    });
    // Also when it is told to stop listening.
    ended.catch(() => undefined);
    try {
      await Promise.race([node.modules.waitFor(MODULE_NAME, 'cli', START_MILLIS), ended]);
      await client.registerProtocolHandler(PROTOCOL, HANDLER);
      const wanted = node.peers.length;
      const greeted = until(`${node.name} knows its neighbours`, async () => {
        return (await this.ledger(index)).peers === wanted;
      });
      await Promise.race([greeted, ended]);
    } finally {
      gone.abort();
    }
  }

  #at(index: number): Place {
    return present(this.#places[index], 'a node of the line');
  }
}

/** Looks until the probe says yes; fails loudly after the deadline. */
export async function until(what: string, probe: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + START_MILLIS;
  while (!(await probe())) {
    if (performance.now() > deadline) {
      throw new MeshError('DEV_NODE_FAILED', `waited ${START_MILLIS} ms in vain: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
}

async function prepare(
  directory: string,
  node: DevNode,
): Promise<Pick<Place, 'node' | 'nodeId' | 'dataDir'>> {
  const dataDir = join(directory, 'data', node.name);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  return { node, dataDir, nodeId: await prepareDataDir(dataDir, systemClock, silent) };
}

function isRegistered(node: DevNode): boolean {
  return node.modules.find(MODULE_NAME, () => true) !== null;
}

function startModule({ node, dataDir }: Pick<Place, 'node' | 'dataDir'>): ChildProcess {
  const args = ['run', '--socket', node.socketPath, '--data-dir', dataDir, '--exit-with-parent'];
  return spawn(process.execPath, [CLI, ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
}

function connectDriver(node: DevNode): Promise<ModuleIntegration> {
  return ModuleIntegration.connect({
    socketPath: node.socketPath,
    moduleId: DRIVER,
    moduleName: DRIVER,
    version: '1.0.0',
    clock: systemClock,
    random: systemRandom,
    log: silent,
    requestsPerSecond: 100_000,
  });
}

function configText(payees: readonly string[]): string {
  return [
    'network = "regtest"',
    'listen_addr = ""',
    'workers = 1',
    'hello_interval_seconds = 1',
    'node_requests_per_second = 100000',
    'rate_limit_per_minute = 10000000',
    `payees = ${JSON.stringify(payees)}`,
    '',
  ].join('\n');
}
