/**
 * A development network with an operator's page on its first node, and traffic over it: paid, free, refused for several
 * reasons, a flood from one neighbour, and an address that gets itself banned at the direct transport.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { toHex } from '../../src/core/bytes.js';
import { systemClock } from '../../src/core/clock.js';
import { LIMITS } from '../../src/core/limits.js';
import { systemRandom } from '../../src/core/random.js';
import { encodeBitcoinMessage } from '../../src/packet/bitcoin-wire.js';
import { encodePacket } from '../../src/packet/packet.js';
import { MeshBed, type Driver } from './mesh-bed.js';
import { endLater, waitFor } from './mesh-process.js';
import { freePort } from '../../src/dev/free-port.js';

/** A ring of six with a chord: nodes 2 to 4 are two or three links away from node 0. Nodes 3 and 4 have one owner. */
const LINKS = [
  [0, 1],
  [1, 2],
  [2, 3],
  [3, 4],
  [4, 5],
  [5, 0],
  [1, 4],
] as const;
const PRICE_MSAT = 100_000n;
const ROUND_MILLIS = 250;
/** More than a neighbour may send for free at once. */
const FLOOD_PACKETS = 600;

export class OperatorBed {
  readonly bed: MeshBed;
  /** Of the page. */
  readonly port: number;
  readonly #listenPort: number;
  readonly #driver: Driver;
  #rounds = 0;
  #sequence = BigInt(systemClock.unixSeconds()) * 1_000n;
  #isGoing = false;
  #done: Promise<void> = Promise.resolve();

  private constructor(bed: MeshBed, port: number, listenPort: number, driver: Driver) {
    this.bed = bed;
    this.port = port;
    this.#listenPort = listenPort;
    this.#driver = driver;
  }

  static async start(): Promise<OperatorBed> {
    const [port, listenPort] = [await freePort(), await freePort()];
    const bed = await MeshBed.start({ nodes: 6, links: LINKS });
    await bed.greeted();
    await bed.at(0).module.stop();
    const file = `${bed.at(0).dataDir}/config.toml`;
    const [third, fourth] = [bed.at(3).node.payee, bed.at(4).node.payee];
    const text = readFileSync(file, 'utf8')
      .replace('listen_addr = ""', `listen_addr = "127.0.0.1:${listenPort}"`)
      .replace(`${toHex(bed.at(4).nodeId)}=${fourth}`, `${toHex(bed.at(4).nodeId)}=${third}`);
    writeFileSync(
      file,
      `${text}dashboard_addr = "127.0.0.1:${port}"\nfree_packets_per_minute = 300\nmax_unsettled_msats = 20000000\n`,
    );
    await bed.restart(0);
    await bed.greeted();
    const made = new OperatorBed(bed, port, listenPort, await bed.driver(0));
    endLater(() => made.stop());
    for (const far of [2, 3, 4]) await made.#driver.client.discoverRoute(bed.at(far).nodeId, null, 10n);
    return made;
  }

  /** Round after round, until `stop`. */
  go(): void {
    this.#isGoing = true;
    const rounds = async (): Promise<void> => {
      while (this.#isGoing) {
        await this.#round();
        await new Promise((resolve) => setTimeout(resolve, ROUND_MILLIS));
      }
    };
    this.#done = rounds();
  }

  /** Waits until so many rounds are done. */
  async reached(rounds: number): Promise<void> {
    await waitFor(`${rounds} rounds of traffic`, () => this.#rounds >= rounds, rounds * 1_000 + 60_000);
  }

  async stop(): Promise<void> {
    this.#isGoing = false;
    await this.#done;
  }

  /** A few packets of each kind. */
  async #round(): Promise<void> {
    const { bed } = this;
    const round = this.#rounds++;
    for (let i = 0; i < 3; i++) {
      this.#send(1, [1, 0]);
      this.#send(5, [5, 0, 1]);
    }
    bed.sendRaw(1, 0, this.#free([1, 0], round));
    // Nodes 3 and 4 are of one owner: what goes to node 3 is routed by others where they can.
    for (const far of round % 2 === 0 ? [2] : [2, 3]) {
      const proof = bed.pay(far, PRICE_MSAT);
      await this.#driver.client.sendPacket(bed.at(far).nodeId, systemRandom.bytes(200), {
        paymentProof: proof,
        protocolId: 'test-v1',
      });
    }
    const replayed = encodePacket(bed.packet([1, 0], bed.pay(0, PRICE_MSAT)));
    bed.sendRaw(1, 0, replayed);
    bed.sendRaw(1, 0, replayed);
    if (round % 2 === 0) this.cheat();
    if (round % 4 === 0) bed.sendRaw(5, 0, encodePacket(bed.packet([5, 0], null)));
  }

  /** A packet that pays too little. */
  cheat(): void {
    this.#send(1, [1, 0], 1n);
  }

  /** Free packets, more than are taken from one neighbour. */
  flood(): void {
    for (let i = 0; i < FLOOD_PACKETS; i++) this.bed.sendRaw(5, 0, this.#free([5, 0], i));
  }

  /** Speaks TLS without a certificate at the direct transport until its address is banned. */
  async beBanned(): Promise<void> {
    for (let i = 0; i < LIMITS.TRANSPORT_STRIKES; i++) {
      const socket = connect({
        host: '127.0.0.1',
        port: this.#listenPort,
        rejectUnauthorized: false,
        ALPNProtocols: ['blvm-mesh/1'],
      });
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('close', resolve));
    }
  }

  /** How often the page's node has refused something for a reason. */
  refusals(reason: string): Promise<number> {
    return this.bed.refusals(0, reason);
  }

  /** Waits until everything of which the views tell has happened. */
  async hasSeenAll(): Promise<void> {
    for (const reason of ['AmountTooLow', 'ReplayedPayment', 'FreeQuotaExceeded', 'PaymentRequired'])
      await waitFor(`a refusal as ${reason}`, async () => (await this.refusals(reason)) > 0);
    for (const event of ['delivered', 'forwarded', 'free']) {
      await waitFor(`a packet ${event}`, async () => {
        return ((await this.bed.status(0)).counters.counts[`packets_${event}`] ?? 0) > 0;
      });
    }
  }

  #send(from: number, route: readonly number[], amountMsat = PRICE_MSAT): void {
    const proof = this.bed.pay(route.at(-1) ?? 0, amountMsat);
    this.bed.sendRaw(from, 0, encodePacket(this.bed.packet(route, proof)));
  }

  #free(route: readonly number[], seed: number): Uint8Array {
    return encodePacket(
      this.bed.packet(route, null, {
        packetType: 'BitcoinP2P',
        sequence: this.#sequence++,
        payload: encodeBitcoinMessage('regtest', 'tx', systemRandom.bytes(100 + (seed % 100))),
        metadata: null,
      }),
    );
  }
}
