/**
 * Where batches of packets lie between the main thread and the workers: shared memory, cut into regions of one
 * batch each. Packet bytes are written once, verdicts come back as records of fixed size beside them.
 *
 * Rules: architecture.md (nothing is copied between threads but offsets; verdicts are numbers).
 *
 * Memory ordering: a region belongs to the main thread, then, with the task message, to one worker, then, with its
 * answer or its death, to the main thread again; the messages order all plain accesses. Only what the main thread
 * reads of a worker that died, the state of each packet and the worker's thread, is written by Atomics; a verdict
 * is written before its state becomes JUDGED, so one that is found JUDGED is whole.
 */
import { assert, present } from '../core/assert.js';
import { fromHex, toHex } from '../core/bytes.js';
import { nodeIdOf, NODE_ID_BYTES } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { reasonOf } from '../core/reasons.js';
import { CONTROL_PROTOCOLS } from '../packet/control.js';
import { DETECTED_PROTOCOLS } from '../packet/detect.js';
import { PACKET_ID_BYTES } from './judge.js';
import { VERDICT_KINDS, type PacketSender, type PacketVerdict } from './judge-port.js';

/** How far a worker is with a packet. From CLAIMING on, its payment may be taken. */
export const PacketState = { Waiting: 0, Judging: 1, Claiming: 2, Judged: 3 } as const;

export type PacketState = (typeof PacketState)[keyof typeof PacketState];

const STATES: readonly PacketState[] = Object.values(PacketState);

/** A region: header, one record per packet, packet bytes. */
const HEADER_BYTES = 64;
const RECORD_BYTES = 192;
const BYTES_OFFSET: number = HEADER_BYTES + LIMITS.BATCH_PACKETS * RECORD_BYTES;
const REGION_BYTES: number = BYTES_OFFSET + LIMITS.BATCH_BYTES;

/** A record: what is asked, then the verdict. Offsets in bytes; integers in little endian. */
const STATE = 0; // i32
const LENGTH = 4; // u32
const OFFSET = 8; // u32, from the region's packet bytes
const SENDER_FLAGS = 12; // u32
const PREVIOUS_HOP = 16; // 32 bytes
const REASON = 48; // u32
const KIND = 52; // u8
const PROTOCOL = 53; // u8
const CONTROL = 54; // u8, 0 for none, else index + 1
const POSITION = 55; // u8
const VERDICT_FLAGS = 56; // u32
const AMOUNT = 64; // u64
const PRICE = 72; // u64
const EXPIRES_AT = 80; // f64
const REPLAY_KEY = 88; // 32 bytes
const PACKET_ID = 120; // 32 bytes
const PAYEE = 152; // 33 bytes

const HAS_PREVIOUS_HOP = 1;
const IS_LOCAL = 2;
const HAS_KEY = 1;
const HAS_PAYEE = 2;
const KEY_BYTES = 32;
const PAYEE_BYTES = 33;

/** Memory for so many batches. */
export function createBatchMemory(regions: number): SharedArrayBuffer {
  return new SharedArrayBuffer(regions * REGION_BYTES);
}

/** One region. Both sides hold a view of it; at any time one of them may use it. */
export class BatchRegion {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Int32Array;
  #count = 0;
  #used = 0;

  constructor(memory: SharedArrayBuffer, index: number) {
    const start = index * REGION_BYTES;
    assert(start + REGION_BYTES <= memory.byteLength, 'a region lies inside the batch memory');
    this.#bytes = new Uint8Array(memory, start, REGION_BYTES);
    this.#view = new DataView(memory, start, REGION_BYTES);
    this.#words = new Int32Array(memory, start, HEADER_BYTES / 4 + (LIMITS.BATCH_PACKETS * RECORD_BYTES) / 4);
  }

  /** Packets put since `clear`. */
  get count(): number {
    return this.#count;
  }

  /** Main thread: empties the region. */
  clear(): void {
    this.#count = 0;
    this.#used = 0;
    this.setThread(0);
  }

  /** Main thread: adds a packet; false where it does not fit any more. */
  put(packet: Uint8Array, sender: PacketSender): boolean {
    if (this.#count === LIMITS.BATCH_PACKETS || this.#used + packet.length > LIMITS.BATCH_BYTES) return false;
    const record = recordOf(this.#count);
    this.#view.setUint32(record + LENGTH, packet.length, true);
    this.#view.setUint32(record + OFFSET, this.#used, true);
    let flags = sender.origin === 'local' ? IS_LOCAL : 0;
    if (sender.previousHop !== null) {
      flags |= HAS_PREVIOUS_HOP;
      this.#bytes.set(sender.previousHop, record + PREVIOUS_HOP);
    }
    this.#view.setUint32(record + SENDER_FLAGS, flags, true);
    this.#bytes.set(packet, BYTES_OFFSET + this.#used);
    this.setState(this.#count, PacketState.Waiting);
    this.#used += packet.length;
    this.#count++;
    return true;
  }

  /** The bytes of a packet, in place: valid until the region is given back. */
  packet(index: number): Uint8Array {
    const record = recordOf(index);
    const start = BYTES_OFFSET + this.#view.getUint32(record + OFFSET, true);
    return this.#bytes.subarray(start, start + this.#view.getUint32(record + LENGTH, true));
  }

  sender(index: number): Omit<PacketSender, 'peer'> {
    const record = recordOf(index);
    const flags = this.#view.getUint32(record + SENDER_FLAGS, true);
    const hasPreviousHop = (flags & HAS_PREVIOUS_HOP) !== 0;
    return {
      previousHop: hasPreviousHop ? nodeIdOf(this.#copy(record + PREVIOUS_HOP, NODE_ID_BYTES)) : null,
      origin: (flags & IS_LOCAL) !== 0 ? 'local' : 'peer',
    };
  }

  state(index: number): PacketState {
    const state = Atomics.load(this.#words, (recordOf(index) + STATE) / 4);
    return present(STATES[state], 'a state is one of four');
  }

  setState(index: number, state: PacketState): void {
    Atomics.store(this.#words, (recordOf(index) + STATE) / 4, state);
  }

  /** Packets judged so far, as far as the worker has come. */
  get judged(): number {
    let judged = 0;
    for (let index = 0; index < this.#count; index++) {
      if (this.state(index) === PacketState.Judged) judged++;
    }
    return judged;
  }

  /** The thread id of the worker that has begun the batch; 0 before that. */
  get thread(): number {
    return Atomics.load(this.#words, 0);
  }

  setThread(id: number): void {
    Atomics.store(this.#words, 0, id);
  }

  /** Worker: writes a verdict, then says so. */
  writeVerdict(index: number, verdict: PacketVerdict): void {
    const record = recordOf(index);
    const view = this.#view;
    view.setUint32(record + REASON, verdict.reason, true);
    view.setUint8(record + KIND, VERDICT_KINDS.indexOf(verdict.kind));
    view.setUint8(record + PROTOCOL, DETECTED_PROTOCOLS.indexOf(verdict.protocol));
    const { controlProtocol } = verdict;
    view.setUint8(
      record + CONTROL,
      controlProtocol === null ? 0 : 1 + CONTROL_PROTOCOLS.indexOf(controlProtocol),
    );
    view.setUint8(record + POSITION, verdict.position);
    view.setBigUint64(record + AMOUNT, verdict.amountMsat, true);
    view.setBigUint64(record + PRICE, verdict.priceMsat, true);
    view.setFloat64(record + EXPIRES_AT, verdict.expiresAt, true);
    this.#bytes.set(verdict.packetId, record + PACKET_ID);
    let flags = 0;
    if (verdict.replayKey !== null) {
      flags |= HAS_KEY;
      this.#bytes.set(verdict.replayKey, record + REPLAY_KEY);
    }
    if (verdict.payee !== null) {
      flags |= HAS_PAYEE;
      const payee = fromHex(verdict.payee);
      assert(payee?.length === PAYEE_BYTES, 'a payee is a key of 33 bytes in hex');
      this.#bytes.set(payee, record + PAYEE);
    }
    view.setUint32(record + VERDICT_FLAGS, flags, true);
    this.setState(index, PacketState.Judged);
  }

  /** Main thread: the verdict on a packet that was judged; a copy. */
  readVerdict(index: number): PacketVerdict {
    assert(this.state(index) === PacketState.Judged, 'only a written verdict is read');
    const record = recordOf(index);
    const view = this.#view;
    const flags = view.getUint32(record + VERDICT_FLAGS, true);
    return {
      reason: present(reasonOf(view.getUint32(record + REASON, true)), 'a worker writes known reasons'),
      kind: present(VERDICT_KINDS[view.getUint8(record + KIND)], 'a worker writes known kinds'),
      protocol: present(
        DETECTED_PROTOCOLS[view.getUint8(record + PROTOCOL)],
        'a worker writes known protocols',
      ),
      controlProtocol: CONTROL_PROTOCOLS[view.getUint8(record + CONTROL) - 1] ?? null,
      position: view.getUint8(record + POSITION),
      amountMsat: view.getBigUint64(record + AMOUNT, true),
      priceMsat: view.getBigUint64(record + PRICE, true),
      expiresAt: view.getFloat64(record + EXPIRES_AT, true),
      replayKey: (flags & HAS_KEY) !== 0 ? this.#copy(record + REPLAY_KEY, KEY_BYTES) : null,
      payee: (flags & HAS_PAYEE) !== 0 ? toHex(this.#copy(record + PAYEE, PAYEE_BYTES)) : null,
      packetId: this.#copy(record + PACKET_ID, PACKET_ID_BYTES),
    };
  }

  #copy(start: number, length: number): Uint8Array {
    return this.#bytes.slice(start, start + length);
  }
}

function recordOf(index: number): number {
  return HEADER_BYTES + index * RECORD_BYTES;
}
