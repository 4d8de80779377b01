/**
 * What every example needs beside its own protocol: five nodes on this machine with a mesh each, one module of the
 * example's own on every node, and a wallet that pays for what is sent.
 *
 * On a real node only `Seat` remains: a module connects to the socket that its node names in SOCKET_PATH, and pays by
 * the Lightning wallet of its operator.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  MeshClient,
  ModuleIntegration,
  systemClock,
  systemRandom,
  type NodeId,
  type PaymentProof,
} from 'blvm-mesh';
import { DemoNetwork } from 'blvm-mesh/demo';

const NODES = 5;
const PRICE_DEADLINE_MILLIS = 20_000;
const RETRY_MILLIS = 50;
const INVOICE_SECONDS = 3_600;
const MSAT_PER_SAT = 1_000n;
/** The development node allows any rate. */
const REQUESTS_PER_SECOND = 10_000;

/** Pays an invoice of a node for so much, and gives the proof. */
type Pay = (payee: string, amountMsats: bigint) => Promise<PaymentProof>;

/** One node with a mesh, as a module on it sees them. */
export class Seat {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly client: MeshClient;
  readonly #pay: Pay;

  constructor(name: string, nodeId: NodeId, client: MeshClient, pay: Pay) {
    this.name = name;
    this.nodeId = nodeId;
    this.client = client;
    this.#pay = pay;
  }

  /** Sends what may pass free of charge, such as Stratum V2 messages. */
  async sendFree(to: Seat, protocolId: string, payload: Uint8Array): Promise<void> {
    await this.#price(to);
    await this.#send(to, payload, protocolId, null);
  }

  /** Asks for the price, pays the receiver's invoice, and sends. */
  async sendPaid(to: Seat, protocolId: string, payload: Uint8Array): Promise<void> {
    const priceSats = await this.#price(to);
    await this.#send(to, payload, protocolId, await this.#pay(to.name, priceSats * MSAT_PER_SAT));
  }

  async #send(
    to: Seat,
    payload: Uint8Array,
    protocolId: string,
    paymentProof: PaymentProof | null,
  ): Promise<void> {
    const { success, error } = await this.client.sendPacket(to.nodeId, payload, { protocolId, paymentProof });
    if (!success) throw new Error(`${this.name} could not send to ${to.name}: ${error ?? 'no reason given'}`);
  }

  /** In sats. While no route is known the mesh looks for one, and answers 0. */
  async #price(to: Seat): Promise<bigint> {
    const until = performance.now() + PRICE_DEADLINE_MILLIS;
    while (performance.now() < until) {
      const priceSats = await this.client.quoteRouteFee(to.nodeId);
      if (priceSats > 0n) return priceSats;
      await sleep(RETRY_MILLIS);
    }
    throw new Error(`${this.name} found no route to ${to.name}`);
  }
}

/** Runs an example on a fresh network, and takes it down again whatever happens. */
export async function withSeats(
  moduleName: string,
  run: (seats: readonly Seat[]) => Promise<void>,
): Promise<void> {
  const log = { log: (): void => undefined };
  process.stderr.write(`starting ${NODES} nodes…\n`);
  const network = await DemoNetwork.start({ nodes: NODES, seed: 1, log });
  const integrations: ModuleIntegration[] = [];
  const pay: Pay = async (payee, amountMsats) => {
    const amountMsat = String(amountMsats);
    const { invoice } = await network.control.call('createInvoice', { node: payee, amountMsat });
    const { preimage } = await network.control.call('pay', { invoice });
    const timestamp = BigInt(systemClock.unixSeconds());
    return {
      kind: 'Lightning',
      invoice,
      preimage: Buffer.from(preimage, 'hex'),
      amountMsats,
      timestamp,
      expiresAt: timestamp + BigInt(INVOICE_SECONDS),
    };
  };
  try {
    const seats: Seat[] = [];
    for (const { name, nodeId, socketPath } of network.nodes) {
      const integration = await ModuleIntegration.connect({
        socketPath,
        moduleId: moduleName,
        moduleName,
        version: '0.1.0',
        clock: systemClock,
        random: systemRandom,
        log,
        requestsPerSecond: REQUESTS_PER_SECOND,
      });
      integrations.push(integration);
      seats.push(new Seat(name, nodeId, new MeshClient(integration), pay));
    }
    await run(seats);
  } finally {
    await Promise.all(integrations.map((integration) => integration.close()));
    await network.close();
  }
}
