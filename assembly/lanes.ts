// SHA-256 twice (FIPS 180-4), as the checksums of Bitcoin messages want it, of many short messages: four at a time, each in
// its own lane of the vectors. A message that ends makes room for the next one in its lane.
import { BLOCK, K, layEnd, START } from './sha256';

const LANES: u32 = 4;
export const DIGEST_BYTES: u32 = 32;

/** The words of the state, and of the message schedule, each of four lanes. */
const STATE: usize = memory.data(8 * 16, 16);
const SCHEDULE: usize = memory.data(64 * 16, 16);
const SCHEDULE_END: usize = SCHEDULE + 64 * 16;

// Of each lane, a word each: the next block; the blocks left until the end, which is padded, and those left of the end; which
// of the two hashes is made; where they go.
const AT: usize = memory.data(16, 16);
const LEFT: usize = memory.data(16, 16);
const LEFT_OF_END: usize = memory.data(16, 16);
const TURN: usize = memory.data(16, 16);
const OUT: usize = memory.data(16, 16);
/** The ends, up to two blocks in each lane. */
const ENDS: usize = memory.data(8 * 64, 16);

const IDLE: u32 = 0;
const FIRST: u32 = 1;
const SECOND: u32 = 2;

/**
 * A message in a list: where it lies, its length, and where the hashes go; a word each. One that lies where they go is a digest
 * that was made elsewhere: only its own is.
 */
export const MESSAGE_BYTES: u32 = 12;

/** What comes out: the digest, and the first word of the digest of that. */
export const HASHES_BYTES: u32 = DIGEST_BYTES + 4;

/** Hashes all messages of a list. */
export function hashTwice(list: usize, count: u32): void {
  const end = list + count * MESSAGE_BYTES;
  let next = list;
  let busy: u32 = 0;
  for (let lane: u32 = 0; lane < LANES; lane++) {
    store<u32>(TURN + 4 * lane, IDLE);
    // What an idle lane reads does not matter, but that it can.
    store<u32>(AT + 4 * lane, <u32>ENDS);
    if (next === end) continue;
    take(lane, next);
    next += MESSAGE_BYTES;
    busy += 1;
  }
  while (busy > 0) {
    compress(load<u32>(AT), load<u32>(AT, 4), load<u32>(AT, 8), load<u32>(AT, 12));
    for (let lane: u32 = 0; lane < LANES; lane++) {
      const turn = load<u32>(TURN + 4 * lane);
      if (turn === IDLE || goesOn(lane)) continue;
      const out = <usize>load<u32>(OUT + 4 * lane);
      if (turn === FIRST) {
        for (let i: u32 = 0; i < 8; i++) store<u32>(out + 4 * i, wordOf(lane, i));
        store<u32>(TURN + 4 * lane, SECOND);
        begin(lane, out, DIGEST_BYTES);
        continue;
      }
      store<u32>(out, wordOf(lane, 0), DIGEST_BYTES);
      if (next === end) {
        store<u32>(TURN + 4 * lane, IDLE);
        busy -= 1;
      } else {
        take(lane, next);
        next += MESSAGE_BYTES;
      }
    }
  }
}

/** The next message of the list, in a lane that is free. */
function take(lane: u32, message: usize): void {
  const at = load<u32>(message);
  const out = load<u32>(message, 8);
  store<u32>(OUT + 4 * lane, out);
  store<u32>(TURN + 4 * lane, at === out ? SECOND : FIRST);
  begin(lane, at, load<u32>(message, 4));
}

/** `length` bytes at `at`, from their first block on. */
function begin(lane: u32, at: usize, length: u32): void {
  for (let i: u32 = 0; i < 8; i++) store<u32>(STATE + 16 * i + 4 * lane, load<u32>(START + 4 * i));
  const end = ENDS + 2 * BLOCK * lane;
  const endBytes = layEnd(end, at + (length - (length % BLOCK)), length);
  const whole = length / BLOCK;
  store<u32>(AT + 4 * lane, <u32>(whole === 0 ? end : at));
  store<u32>(LEFT + 4 * lane, whole);
  store<u32>(LEFT_OF_END + 4 * lane, endBytes / BLOCK);
}

/** After a block: whether there are more. */
function goesOn(lane: u32): bool {
  const left = load<u32>(LEFT + 4 * lane);
  if (left > 0) store<u32>(LEFT + 4 * lane, left - 1);
  const leftOfEnd = load<u32>(LEFT_OF_END + 4 * lane);
  if (left === 1) {
    store<u32>(AT + 4 * lane, <u32>(ENDS + 2 * BLOCK * lane));
    return true;
  }
  store<u32>(AT + 4 * lane, load<u32>(AT + 4 * lane) + BLOCK);
  if (left > 0) return true;
  store<u32>(LEFT_OF_END + 4 * lane, leftOfEnd - 1);
  return leftOfEnd > 1;
}

/** A word of a lane's state, as it is written. */
function wordOf(lane: u32, word: u32): u32 {
  return bswap<u32>(load<u32>(STATE + 16 * word + 4 * lane));
}

// Small pieces of a round, put in place by the compiler.
function add(x: v128, y: v128): v128 {
  return i32x4.add(x, y);
}

function rotated(x: v128, right: i32): v128 {
  return v128.or(i32x4.shr_u(x, right), i32x4.shl(x, 32 - right));
}

function bigSigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotated(x, 2), rotated(x, 13)), rotated(x, 22));
}

function bigSigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotated(x, 6), rotated(x, 11)), rotated(x, 25));
}

function sigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotated(x, 7), rotated(x, 18)), i32x4.shr_u(x, 3));
}

function sigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotated(x, 17), rotated(x, 19)), i32x4.shr_u(x, 10));
}

function choice(x: v128, y: v128, z: v128): v128 {
  return v128.xor(z, v128.and(x, v128.xor(y, z)));
}

function majority(x: v128, y: v128, z: v128): v128 {
  return v128.or(v128.and(x, y), v128.and(z, v128.or(x, y)));
}

/** What the word of a schedule, its constant and three words of the state come to. */
function mixed(e: v128, f: v128, g: v128, k: usize, w: usize): v128 {
  return add(add(bigSigma1(e), choice(e, f, g)), add(v128.load_splat<u32>(k), v128.load(w)));
}

/** Four words of a block. */
function words(at: usize): v128 {
  const x = v128.load(at);
  return v128.shuffle<u8>(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

/** One block of each lane into the state. */
function compress(at0: usize, at1: usize, at2: usize, at3: usize): void {
  // The words of four blocks, turned so that each vector holds the same one of all.
  for (let i: usize = 0; i < 64; i += 16) {
    const x0 = words(at0 + i);
    const x1 = words(at1 + i);
    const x2 = words(at2 + i);
    const x3 = words(at3 + i);
    const even01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
    const even23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
    const odd01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
    const odd23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
    const w = SCHEDULE + 4 * i;
    v128.store(w, v128.shuffle<i64>(even01, even23, 0, 2));
    v128.store(w, v128.shuffle<i64>(even01, even23, 1, 3), 16);
    v128.store(w, v128.shuffle<i64>(odd01, odd23, 0, 2), 32);
    v128.store(w, v128.shuffle<i64>(odd01, odd23, 1, 3), 48);
  }
  for (let w = SCHEDULE + 256; w < SCHEDULE_END; w += 16) {
    const near = add(sigma1(v128.load(w - 32)), v128.load(w - 112));
    v128.store(w, add(near, add(sigma0(v128.load(w - 240)), v128.load(w - 256))));
  }

  let a = v128.load(STATE);
  let b = v128.load(STATE, 16);
  let c = v128.load(STATE, 32);
  let d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64);
  let f = v128.load(STATE, 80);
  let g = v128.load(STATE, 96);
  let h = v128.load(STATE, 112);
  // Eight rounds stand written out, so that the words of the state change names instead of places.
  for (let w = SCHEDULE, k = K; w < SCHEDULE_END; w += 128, k += 32) {
    h = add(h, mixed(e, f, g, k, w));
    d = add(d, h);
    h = add(h, add(bigSigma0(a), majority(a, b, c)));
    g = add(g, mixed(d, e, f, k + 4, w + 16));
    c = add(c, g);
    g = add(g, add(bigSigma0(h), majority(h, a, b)));
    f = add(f, mixed(c, d, e, k + 8, w + 32));
    b = add(b, f);
    f = add(f, add(bigSigma0(g), majority(g, h, a)));
    e = add(e, mixed(b, c, d, k + 12, w + 48));
    a = add(a, e);
    e = add(e, add(bigSigma0(f), majority(f, g, h)));
    d = add(d, mixed(a, b, c, k + 16, w + 64));
    h = add(h, d);
    d = add(d, add(bigSigma0(e), majority(e, f, g)));
    c = add(c, mixed(h, a, b, k + 20, w + 80));
    g = add(g, c);
    c = add(c, add(bigSigma0(d), majority(d, e, f)));
    b = add(b, mixed(g, h, a, k + 24, w + 96));
    f = add(f, b);
    b = add(b, add(bigSigma0(c), majority(c, d, e)));
    a = add(a, mixed(f, g, h, k + 28, w + 112));
    e = add(e, a);
    a = add(a, add(bigSigma0(b), majority(b, c, d)));
  }
  v128.store(STATE, add(v128.load(STATE), a));
  v128.store(STATE, add(v128.load(STATE, 16), b), 16);
  v128.store(STATE, add(v128.load(STATE, 32), c), 32);
  v128.store(STATE, add(v128.load(STATE, 48), d), 48);
  v128.store(STATE, add(v128.load(STATE, 64), e), 64);
  v128.store(STATE, add(v128.load(STATE, 80), f), 80);
  v128.store(STATE, add(v128.load(STATE, 96), g), 96);
  v128.store(STATE, add(v128.load(STATE, 112), h), 112);
}
