/**
 * The peer that floods: as fast as its connections take them, frames that nobody wants, until it is told to stop.
 *
 * Runs on a worker thread of flood.ts, from the built package. Two lanes, each a connection and a node id of its own:
 * one sends what no honest node does, and comes again under another id whenever it is cut off; the other sends packets
 * that are well made and worthless, for which nobody is cut off.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import type { NodeId } from '../core/ids.js';
import { SeededRandom } from '../core/random.js';
import { BarePeer } from './bare-peer.js';
import { OverloadPackets } from './overload-packets.js';

export interface FlooderStart {
  readonly port: number;
  readonly target: NodeId;
  readonly seed: number;
}

/** What it has done, told when it stops. */
export interface FlooderReport {
  /** Frames that were given to a socket. */
  readonly frames: number;
  /** Connections that the node has ended. */
  readonly cutOff: number;
}

/** Handed to a socket before more is made. */
const AHEAD_BYTES = 262_144;
const NOISE_BYTES = 200;
/** A node takes four connections a second from one address. */
const AGAIN_MILLIS = 300;
const FULL_MILLIS = 1;
/** Kinds of junk that are made once and sent again and again; the first of ten is noise, for the other lane. */
const KINDS = 100;

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

class Flooder {
  readonly #start: FlooderStart;
  readonly #random: SeededRandom;
  #isStopped = false;
  #frames = 0;
  #cutOff = 0;

  constructor(start: FlooderStart) {
    this.#start = start;
    this.#random = new SeededRandom(start.seed);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<FlooderReport> {
    const noise = (): readonly Uint8Array[] =>
      Array.from({ length: KINDS }, () => this.#random.bytes(NOISE_BYTES));
    const worthless = (self: NodeId): readonly Uint8Array[] => {
      const packets = new OverloadPackets(this.#random, systemClock.unixSeconds(), [
        self,
        this.#start.target,
      ]);
      return Array.from({ length: KINDS }, (_, kind) => kind)
        .filter((kind) => kind % 10 !== 0)
        .map((kind) => packets.junk(kind));
    };
    await Promise.all([this.#lane(noise), this.#lane(worthless)]);
    return { frames: this.#frames, cutOff: this.#cutOff };
  }

  #goesOn(): boolean {
    return !this.#isStopped;
  }

  async #lane(junkOf: (self: NodeId) => readonly Uint8Array[]): Promise<void> {
    while (this.#goesOn()) {
      try {
        const { port } = this.#start;
        const peer = await BarePeer.dial({ port, secret: this.#random.bytes(32) });
        await this.#flood(peer, junkOf(peer.nodeId));
      } catch {
        // It may come no more for a moment.
      }
      if (this.#goesOn()) await pause(AGAIN_MILLIS);
    }
  }

  /** Ends when it is stopped, or the connection is. */
  async #flood(peer: BarePeer, junk: readonly Uint8Array[]): Promise<void> {
    const { session } = peer;
    const before = session.outbox.frames;
    let number = 0;
    const send = (): boolean => session.send(present(junk[number++ % junk.length], 'there is junk'), '');
    while (this.#goesOn() && session.isOpen) {
      while (session.outbox.pendingBytes < AHEAD_BYTES && send());
      await pause(FULL_MILLIS);
    }
    this.#frames += session.outbox.frames - before;
    if (!session.isOpen) this.#cutOff += 1;
    peer.close();
  }
}

const port = present(parentPort, 'it runs on a thread of its own');
const flooder = new Flooder(workerData as FlooderStart);
port.once('message', () => {
  flooder.stop();
});
port.postMessage(await flooder.run());
