/**
 * messaging-v1: messages that only their receiver can read, paid to the receiver, with a receipt for each.
 *
 * One command: `npm run example:messaging`. A payload is
 *
 *     ephemeral public key (32) | sealed { kind (1): 0 message, 1 receipt | message id (16) | text }
 *
 * under a key made of two secrets: the ephemeral key's and the sender's own with the receiver's key. So what opens under a
 * contact's key was written by that contact; a receipt proves that its sender opened the message. Contacts know each
 * other's keys from elsewhere, as from a card that they exchanged.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { withSeats, type Seat } from './bed.js';
import { derive, KEY_BYTES, KeyPair, seal, unseal } from './keys.js';

const PROTOCOL = 'messaging-v1';
const MESSAGE = 0;
const RECEIPT = 1;
const ID_BYTES = 16;
const HEAD_BYTES = 1 + ID_BYTES;
const DEADLINE_MILLIS = 30_000;

interface Contact {
  readonly seat: Seat;
  readonly publicKey: Uint8Array;
}

interface Received {
  readonly from: string;
  readonly text: string;
}

/** Encrypts for a contact. */
export function write(own: KeyPair, to: Uint8Array, plain: Uint8Array): Uint8Array {
  const ephemeral = KeyPair.generate();
  const key = keyOf(ephemeral.agree(to), own.agree(to));
  if (key === null) throw new RangeError('the public key of a contact is not one');
  return Buffer.concat([ephemeral.publicKey, seal(key, plain)]);
}

/** What a contact wrote, or null where it was somebody else, or the payload was changed. */
export function read(own: KeyPair, from: Uint8Array, payload: Uint8Array): Uint8Array | null {
  if (payload.length < KEY_BYTES) return null;
  const key = keyOf(own.agree(payload.subarray(0, KEY_BYTES)), own.agree(from));
  return key === null ? null : unseal(key, payload.subarray(KEY_BYTES));
}

function keyOf(ephemeral: Uint8Array | null, lasting: Uint8Array | null): Uint8Array | null {
  if (ephemeral === null || lasting === null) return null;
  return derive(Buffer.concat([ephemeral, lasting]), PROTOCOL);
}

/** One who writes and receives. */
class Messenger {
  readonly seat: Seat;
  readonly received: Received[] = [];
  /** Ids of own messages that were read. */
  readonly receipts = new Set<string>();
  refused = 0;
  readonly #keys = KeyPair.generate();
  readonly #contacts: Contact[] = [];

  constructor(seat: Seat) {
    this.seat = seat;
  }

  get card(): Contact {
    return { seat: this.seat, publicKey: this.#keys.publicKey };
  }

  add(contact: Contact): void {
    this.#contacts.push(contact);
  }

  /** Reads what comes, and answers each message with a receipt, until the module ends. */
  async serve(): Promise<void> {
    const seen = new Set<string>();
    for await (const { source, payload } of await this.seat.client.receive(PROTOCOL)) {
      const contact = this.#contacts.find(({ seat }) => Buffer.compare(seat.nodeId, source) === 0);
      const plain = contact === undefined ? null : read(this.#keys, contact.publicKey, payload);
      if (contact === undefined || plain === null || plain.length < HEAD_BYTES) {
        this.refused += 1;
        continue;
      }
      const id = Buffer.from(plain.subarray(1, HEAD_BYTES)).toString('hex');
      if (plain[0] === RECEIPT) this.receipts.add(id);
      // A packet may come twice: the mesh promises at least once.
      else if (plain[0] === MESSAGE && !seen.has(id)) {
        seen.add(id);
        this.received.push({
          from: contact.seat.name,
          text: Buffer.from(plain.subarray(HEAD_BYTES)).toString('utf8'),
        });
        void this.#send(contact, RECEIPT, id, '');
      }
    }
  }

  /** @returns the id under which its receipt will come */
  async say(to: Contact, text: string): Promise<string> {
    const id = randomUUID().replaceAll('-', '');
    await this.#send(to, MESSAGE, id, text);
    return id;
  }

  #send(to: Contact, kind: number, id: string, text: string): Promise<void> {
    const plain = Buffer.concat([Buffer.of(kind), Buffer.from(id, 'hex'), Buffer.from(text)]);
    return this.seat.sendPaid(to.seat, PROTOCOL, write(this.#keys, to.publicKey, plain));
  }
}

async function main(count: number): Promise<void> {
  await withSeats('messaging', async (seats) => {
    const messengers = seats.map((seat) => new Messenger(seat));
    for (const one of messengers) for (const other of messengers) if (one !== other) one.add(other.card);
    for (const one of messengers) void one.serve();

    const sent = await Promise.all(
      Array.from({ length: count }, async (_, number) => {
        const from = messengers[number % messengers.length];
        const to = messengers[(number * 2 + 1 + number) % messengers.length];
        if (from === undefined || to === undefined || from === to) return null;
        const text = `hello ${to.seat.name}, this is message ${number + 1}`;
        return { from, to, text, id: await from.say(to.card, text) };
      }),
    );
    const messages = sent.filter((one) => one !== null);
    const isDone = (): boolean => messages.every(({ from, id }) => from.receipts.has(id));
    for (const until = performance.now() + DEADLINE_MILLIS; !isDone() && performance.now() < until;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const { from, to, text, id } of messages) {
      const isRead = to.received.some((one) => one.from === from.seat.name && one.text === text);
      const state = from.receipts.has(id) ? 'read, receipt came' : isRead ? 'read, no receipt' : 'NOT READ';
      process.stdout.write(`${from.seat.name} > ${to.seat.name}: "${text}": ${state}\n`);
    }
    if (!isDone() || messengers.some(({ refused }) => refused > 0)) process.exitCode = 1;
  });
}

const { values } = parseArgs({ options: { messages: { type: 'string', default: '6' } } });
await main(Number(values.messages));
