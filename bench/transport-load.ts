/** What the ends of the transport bench send: blocks of frames as large as one write of this module. */
import type { TLSSocket } from 'node:tls';
import { FRAME_HEADER_BYTES, encodeFrame } from '#dist/core/frame.js';
import type { NodeId } from '#dist/core/ids.js';
import { PacketHead } from '#dist/packet/head.js';
import { encodePacket } from '#dist/packet/packet.js';
import { bitcoinMessage } from './samples.js';

const BLOCK_BYTES = 65_536;
/** Blocks handed to a socket before one of them must be taken. */
const BLOCKS = 4;

/** A free packet of so many bytes that a node in the middle passes on. */
export function forwardedPacket(route: readonly NodeId[], packetBytes: number): Uint8Array {
  const [source] = route;
  const destination = route[route.length - 1];
  if (source === undefined || destination === undefined) throw new Error('a route has two ends');
  const made = (payload: Uint8Array): Uint8Array =>
    encodePacket({
      version: 1,
      packetType: 'BitcoinP2P',
      source,
      destination,
      route,
      sequence: 0n,
      timestamp: 0n,
      paymentProof: null,
      payload,
      metadata: null,
    });
  const rest = made(new Uint8Array(0)).length;
  return made(bitcoinMessage(packetBytes - rest));
}

/** Writes frames until it is stopped, as fast as the socket takes them. */
export class Flow {
  readonly #socket: TLSSocket;
  readonly #frame: Uint8Array;
  /** Where each frame has its number, or null where it has none. */
  readonly #numberAt: number | null;
  readonly #perBlock: number;
  #number: number;
  #isStopped = false;
  #unwritten = 0;
  #onStopped: () => void = () => undefined;

  /** @param number of the first packet: sources never use one twice @param isNumbered whether it is a packet */
  constructor(socket: TLSSocket, body: Uint8Array, number: number, isNumbered: boolean) {
    this.#socket = socket;
    this.#frame = encodeFrame(body);
    const head = isNumbered ? new PacketHead(body) : null;
    this.#numberAt = head === null ? null : FRAME_HEADER_BYTES + head.idAt(head.ids);
    this.#perBlock = Math.max(1, Math.floor(BLOCK_BYTES / this.#frame.length));
    this.#number = number;
    for (let block = 0; block < BLOCKS; block++) {
      const bytes = Buffer.concat(Array.from({ length: this.#perBlock }, () => this.#frame));
      this.#write(bytes);
    }
  }

  /** @returns the first number that was not used, when all is written */
  async stop(): Promise<number> {
    this.#isStopped = true;
    if (this.#unwritten > 0) await new Promise<void>((resolve) => (this.#onStopped = resolve));
    return this.#number;
  }

  #write(block: Buffer): void {
    if (this.#numberAt !== null) {
      for (let index = 0; index < this.#perBlock; index++) {
        block.writeUInt32LE(this.#number++, index * this.#frame.length + this.#numberAt);
      }
    }
    this.#unwritten += 1;
    this.#socket.write(block, () => {
      this.#unwritten -= 1;
      if (!this.#isStopped) this.#write(block);
      else if (this.#unwritten === 0) this.#onStopped();
    });
  }
}
