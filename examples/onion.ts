/**
 * onion-v1: messages over relays of which each knows its neighbours alone.
 *
 * One command: `npm run example:onion`. Each of the five nodes relays; some send a message to some other over three
 * relays. Every link of an onion is a packet of the mesh, paid by whoever sends it on.
 */
import { parseArgs } from 'node:util';
import { randomInt } from 'node:crypto';
import { withSeats, type Seat } from './bed.js';
import { KeyPair } from './keys.js';
import { CELL_BYTES, peel, wrap } from './onion-cell.js';

const PROTOCOL = 'onion-v1';
const RELAYS = 3;
const DEADLINE_MILLIS = 30_000;

/** What a relay got to know, at most: kept by the example to show it, never by a real relay. */
interface Sighting {
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
}

/** A node of the onion network. */
class OnionNode {
  readonly seat: Seat;
  readonly keys = KeyPair.generate();
  readonly sightings: Sighting[] = [];
  readonly messages: string[] = [];
  dropped = 0;

  constructor(seat: Seat) {
    this.seat = seat;
  }

  /** Relays and receives until the module ends. */
  async serve(directory: readonly OnionNode[]): Promise<void> {
    const nameOf = (nodeId: Uint8Array): OnionNode | undefined =>
      directory.find(({ seat }) => Buffer.compare(seat.nodeId, nodeId) === 0);
    for await (const { payload, source } of await this.seat.client.receive(PROTOCOL)) {
      const peeled = peel(payload, this.keys);
      const from = nameOf(source)?.seat.name ?? 'a stranger';
      if (peeled === null) this.dropped += 1;
      else if (peeled.kind === 'message') this.messages.push(Buffer.from(peeled.message).toString('utf8'));
      else {
        const next = nameOf(peeled.next);
        this.sightings.push({ from, to: next?.seat.name ?? 'a stranger', bytes: payload.length });
        if (next !== undefined) void this.seat.sendPaid(next.seat, PROTOCOL, peeled.cell);
      }
    }
  }

  send(relays: readonly OnionNode[], receiver: OnionNode, text: string): Promise<void> {
    const hops = [...relays, receiver].map(({ seat, keys }) => ({
      nodeId: seat.nodeId,
      publicKey: keys.publicKey,
    }));
    const [first = receiver] = relays;
    return this.seat.sendPaid(first.seat, PROTOCOL, wrap(hops, Buffer.from(text)));
  }
}

async function main(count: number): Promise<void> {
  await withSeats('onion', async (seats) => {
    const nodes = seats.map((seat) => new OnionNode(seat));
    // Whoever uses an onion network knows the keys of its nodes: here they are simply told.
    for (const node of nodes) void node.serve(nodes);

    const sent = Array.from({ length: count }, (_, number) => {
      const [sender, receiver, ...relays] = shuffled(nodes);
      if (sender === undefined || receiver === undefined) throw new Error('there are five nodes');
      return { sender, receiver, relays: relays.slice(0, RELAYS), text: `message ${number + 1}` };
    });
    await Promise.all(sent.map(({ sender, receiver, relays, text }) => sender.send(relays, receiver, text)));
    const hasArrived = (): boolean => sent.every(({ receiver, text }) => receiver.messages.includes(text));
    for (const until = performance.now() + DEADLINE_MILLIS; !hasArrived() && performance.now() < until;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }

    for (const { sender, receiver, relays, text } of sent) {
      const way = [sender, ...relays, receiver].map(({ seat }) => seat.name).join(' > ');
      process.stdout.write(`${text}: ${way}: ${receiver.messages.includes(text) ? 'arrived' : 'LOST'}\n`);
    }
    process.stdout.write('what each relay saw:\n');
    for (const { seat, sightings } of nodes) {
      const seen = sightings.map(({ from, to, bytes }) => `${from} > ${to} (${bytes} B)`).join(', ');
      process.stdout.write(`  ${seat.name}: ${seen || 'nothing'}\n`);
    }
    const isUniform = nodes.every(({ sightings }) => sightings.every(({ bytes }) => bytes === CELL_BYTES));
    if (!hasArrived() || !isUniform || nodes.some(({ dropped }) => dropped > 0)) process.exitCode = 1;
  });
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  const drawn = items.map((item) => ({ item, at: randomInt(2 ** 47) }));
  return drawn.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

const { values } = parseArgs({ options: { messages: { type: 'string', default: '4' } } });
await main(Number(values.messages));
