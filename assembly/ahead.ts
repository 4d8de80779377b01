// Hashes of the bodies of a batch's Bitcoin messages, made together before its packets are looked at (lanes.ts).
import { DIGEST_BYTES, HASHES_BYTES, hashTwice, MESSAGE_BYTES } from './lanes';

/** Packets that are looked at ahead. */
export const MOST_AHEAD: u32 = 256;

/** The list of them: where each begins and its length, a word each, written by the host. */
export const AHEAD: usize = memory.data(MOST_AHEAD * 8, 16);

/** The longest body that is hashed here: the host's hash has overtaken four lanes there. */
const MOST_BYTES: u32 = 640;

/** Fewer leave lanes empty, and are hashed one by one as fast. */
const LEAST: u32 = 3;

/** Of each: where its packet begins, then its hashes. */
const SLOT_BYTES: u32 = 4 + HASHES_BYTES;
const SLOTS: usize = memory.data(MOST_AHEAD * SLOT_BYTES, 16);
const MESSAGES: usize = memory.data(MOST_AHEAD * MESSAGE_BYTES, 16);

/** Of longer bodies, for the host: where each lies, its length, and where its digest is to be put; a word each. */
export const LONG: usize = memory.data(MOST_AHEAD * 12, 16);
let longer: u32 = 0;

let noted: u32 = 0;
/** The next one that may be asked for: packets are looked at in their order. */
let next: u32 = 0;

/** Forgets all. */
export function clear(): void {
  noted = 0;
  next = 0;
  longer = 0;
}

/** Notes a body of a packet that begins behind all that were noted. */
export function note(packet: usize, body: usize, bytes: u32): void {
  const slot = SLOTS + noted * SLOT_BYTES;
  const message = MESSAGES + noted * MESSAGE_BYTES;
  const hashes = slot + 4;
  store<u32>(slot, <u32>packet);
  const isLonger = bytes > MOST_BYTES;
  if (isLonger) {
    const entry = LONG + longer * 12;
    store<u32>(entry, <u32>body);
    store<u32>(entry, bytes, 4);
    store<u32>(entry, <u32>hashes, 8);
    longer += 1;
  }
  // Of the longer ones the digest is hashed again, which lies where it is to stay.
  store<u32>(message, <u32>(isLonger ? hashes : body));
  store<u32>(message, isLonger ? DIGEST_BYTES : bytes, 4);
  store<u32>(message, <u32>hashes, 8);
  noted += 1;
}

/** @returns how many bodies in LONG the host has to hash before `hashNoted` */
export function longerOnes(): u32 {
  if (noted < LEAST) clear();
  return longer;
}

/** Hashes what was noted. */
export function hashNoted(): void {
  hashTwice(MESSAGES, noted);
}

/** The hashes of a packet's body, as lanes.ts lays them, 0 where there are none. Given once: its bytes may be others later. */
export function hashesOf(packet: usize): usize {
  while (next < noted) {
    const slot = SLOTS + next * SLOT_BYTES;
    const start = <usize>load<u32>(slot);
    if (start > packet) return 0;
    next += 1;
    if (start === packet) return slot + 4;
  }
  return 0;
}
