/**
 * mining-pool-v1: a pool hands out work and collects shares over the mesh, as Stratum V2 messages, which pass free.
 *
 * One command: `npm run example:pool`. One node is the pool, the four others mine: they open a channel, hash real block
 * headers, and hand in the shares that they find. The pool hashes each again, and refuses what does not meet the target,
 * is of no job, or came before.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { withSeats, type Seat } from './bed.js';
import { f32, frame, meets, parse, short, u32, workHash, type Message, type Work } from './stratum.js';

const PROTOCOL = 'mining-pool-v1';
/** One hash in 4,096 meets it: a share takes a few milliseconds. */
const TARGET = Buffer.alloc(32, 0xff).fill(0, 30).fill(0x0f, 30, 31);
const VERSION = 0x2000_0000;
const BITS = 0x207f_ffff;
const HASHES_PER_TURN = 2_000;
const MOST_NONCE = 2 ** 32;
const JOB = 1;
const DEADLINE_MILLIS = 60_000;

/** One miner, as the pool sees it. */
interface Channel {
  readonly seat: Seat;
  readonly merkleRoot: Uint8Array;
  readonly nonces: Set<number>;
  shares: number;
  refused: number;
}

class Pool {
  readonly channels: Channel[] = [];
  readonly #seat: Seat;
  readonly #miners: readonly Seat[];
  readonly #prevHash = randomBytes(32);
  readonly #time = Math.floor(Date.now() / 1_000);

  constructor(seat: Seat, miners: readonly Seat[]) {
    this.#seat = seat;
    this.#miners = miners;
  }

  async serve(): Promise<void> {
    for await (const { source, payload } of await this.#seat.client.receive(PROTOCOL)) {
      const miner = this.#miners.find(({ nodeId }) => Buffer.compare(nodeId, source) === 0);
      const message = parse(payload);
      if (miner === undefined || message === null) continue;
      if (message.name === 'open') await this.#open(miner, message);
      if (message.name === 'share') await this.#judge(message);
    }
  }

  async #open(miner: Seat, { fields }: Message): Promise<void> {
    const request = fields.readUInt32LE();
    const id = this.channels.length;
    // A root of its own for each miner, so that no two do the same work.
    const channel = {
      seat: miner,
      merkleRoot: randomBytes(32),
      nonces: new Set<number>(),
      shares: 0,
      refused: 0,
    };
    this.channels.push(channel);
    const opened = [u32(request), u32(id), TARGET, short(new Uint8Array(0)), u32(0)];
    await this.#send(miner, frame('opened', ...opened));
    const job = [u32(id), u32(JOB), Buffer.of(0), u32(VERSION), channel.merkleRoot];
    await this.#send(miner, frame('job', ...job));
    const tip = [u32(id), u32(JOB), this.#prevHash, u32(this.#time), u32(BITS)];
    await this.#send(miner, frame('prevHash', ...tip));
  }

  async #judge({ fields }: Message): Promise<void> {
    const [id = 0, sequence = 0, job = 0, nonce = 0] = [0, 4, 8, 12].map((at) => fields.readUInt32LE(at));
    const channel = this.channels[id];
    if (channel === undefined) return;
    const why = this.#fault(channel, job, nonce);
    if (why === null) {
      channel.nonces.add(nonce);
      channel.shares += 1;
      const sum = Buffer.alloc(8);
      sum.writeBigUInt64LE(1n);
      await this.#send(channel.seat, frame('accepted', u32(id), u32(sequence), u32(1), sum));
    } else {
      channel.refused += 1;
      await this.#send(channel.seat, frame('refused', u32(id), u32(sequence), short(Buffer.from(why))));
    }
  }

  /** Why a share does not count; null where it does. */
  #fault({ merkleRoot, nonces }: Channel, job: number, nonce: number): string | null {
    if (job !== JOB) return 'invalid-job-id';
    if (nonces.has(nonce)) return 'duplicate-share';
    const work = { version: VERSION, prevHash: this.#prevHash, merkleRoot, time: this.#time, bits: BITS };
    return meets(workHash(work, nonce), TARGET) ? null : 'difficulty-too-low';
  }

  #send(miner: Seat, message: Uint8Array): Promise<void> {
    return this.#seat.sendFree(miner, PROTOCOL, message);
  }
}

class Miner {
  readonly seat: Seat;
  accepted = 0;
  readonly errors: string[] = [];
  readonly #pool: Seat;
  #channel = 0;
  #target: Uint8Array = TARGET;
  #version = 0;
  #merkleRoot: Uint8Array = new Uint8Array(0);
  #sequence = 0;

  constructor(seat: Seat, pool: Seat) {
    this.seat = seat;
    this.#pool = pool;
  }

  /** Mines until so many shares were found, and shows the pool two bad ones first. */
  async run(shares: number): Promise<void> {
    const inbox = await this.seat.client.receive(PROTOCOL);
    const maxTarget = Buffer.alloc(32, 0xff);
    await this.#send(frame('open', u32(1), short(Buffer.from(this.seat.name)), f32(1e6), maxTarget));
    for await (const { payload } of inbox) {
      const message = parse(payload);
      if (message !== null) void this.#take(message, shares);
    }
  }

  async #take({ name, fields }: Message, shares: number): Promise<void> {
    if (name === 'opened') {
      this.#channel = fields.readUInt32LE(4);
      this.#target = fields.subarray(8, 40);
    } else if (name === 'job') {
      this.#version = fields.readUInt32LE(9);
      this.#merkleRoot = fields.subarray(13, 45);
    } else if (name === 'prevHash') {
      const [time, bits] = [fields.readUInt32LE(40), fields.readUInt32LE(44)];
      const work = {
        version: this.#version,
        prevHash: fields.subarray(8, 40),
        merkleRoot: this.#merkleRoot,
        time,
        bits,
      };
      await this.#mine(work, shares);
    } else if (name === 'accepted') this.accepted += 1;
    else if (name === 'refused') this.errors.push(fields.subarray(9).toString('ascii'));
  }

  async #mine(work: Work, shares: number): Promise<void> {
    let found = 0;
    let isShown = false;
    for (let nonce = 0; found < shares && nonce < MOST_NONCE; nonce++) {
      const isShare = meets(workHash(work, nonce), this.#target);
      if (isShare) {
        found += 1;
        await this.#submit(nonce, work);
        if (found === 1) await this.#submit(nonce, work);
      } else if (!isShown) {
        isShown = true;
        await this.#submit(nonce, work);
      }
      // What the pool says is read in between.
      if (nonce % HASHES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #submit(nonce: number, { time, version }: Work): Promise<void> {
    const fields = [this.#channel, this.#sequence++, JOB, nonce, time, version].map(u32);
    return this.#send(frame('share', ...fields));
  }

  #send(message: Uint8Array): Promise<void> {
    return this.seat.sendFree(this.#pool, PROTOCOL, message);
  }
}

async function main(shares: number): Promise<void> {
  await withSeats('mining-pool', async (seats) => {
    const [poolSeat, ...others] = seats;
    if (poolSeat === undefined) throw new Error('there are five nodes');
    const pool = new Pool(poolSeat, others);
    void pool.serve();
    const miners = others.map((seat) => new Miner(seat, poolSeat));
    for (const miner of miners) void miner.run(shares);

    const isDone = (): boolean =>
      miners.every(({ accepted, errors }) => accepted === shares && errors.length === 2);
    for (const until = performance.now() + DEADLINE_MILLIS; !isDone() && performance.now() < until;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const { seat, accepted, errors } of miners) {
      const counted = pool.channels.find((channel) => channel.seat === seat)?.shares ?? 0;
      const refused = errors.toSorted().join(', ');
      process.stdout.write(
        `${seat.name}: ${accepted} of ${shares} shares accepted, the pool counts ${counted}; refused: ${refused}\n`,
      );
    }
    if (!isDone()) process.exitCode = 1;
  });
}

const { values } = parseArgs({ options: { shares: { type: 'string', default: '10' } } });
await main(Number(values.shares));
