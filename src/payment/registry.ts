/**
 * The invoices that this node issued, where all threads find them: a payment by one of them needs no bech32 and no
 * curve, and one that names no amount counts with what the node settled.
 *
 * Rules: payments.md, Lightning (fast path; invoices without amount). An invoice is found by its whole text, under a
 * keyed fingerprint of 128 bits with a secret of this process: a text in another case or with another signature is
 * not found, and takes the way of all others. Either way its payment hash is its replay key.
 *
 * One SharedArrayBuffer: the heads of chains, and a ring of entries, of which the one registered first makes room.
 * One thread writes, all others read without locks. All accesses are Atomics, so they have one total order:
 * - An entry's version is odd while it is written. A reader that meets the same even version before it compares the
 *   fingerprint and after its copy has read one entry whole; otherwise it has found nothing.
 * - An entry is taken out of its chain, written, then put at the head of its new one. A reader that stands on it
 *   meanwhile goes on in the other chain and misses what is behind it in the first; it never takes one entry for
 *   another, and what it misses is judged as if it were not registered.
 */
import { assert } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import type { InvoiceText } from './invoice.js';
import { FINGERPRINT_WORDS, type Fingerprinter } from '../replay/fingerprint.js';

/** What the rules need of an invoice of this node; its payee and its network are the node's own. */
export interface IssuedInvoice {
  /** 32 bytes. */
  readonly paymentHash: Uint8Array;
  /** What it asks for; null where the payer chooses. */
  readonly amountMsat: bigint | null;
  /** What the node says was paid, or null while it says nothing. */
  readonly settledMsat: bigint | null;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly expirySeconds: number;
  /** 32 bytes. */
  readonly descriptionHash: Uint8Array | null;
}

/** What a judge asks. */
export interface InvoiceLookup {
  /** The invoice of exactly this text, or null. Any text, not kept. */
  find(text: InvoiceText): IssuedInvoice | null;
}

/** Header: a mark and the number of entries; then the heads; then the entries. */
const HEADER_WORDS = 16;
const MARK = 0;
const MARK_VALUE = 0x6d69_7231; // "mir1"
const ENTRIES = 1;

/** An entry, in words of 32 bits; numbers of 64 bits as two, the lower first. */
const VERSION = 0;
const NEXT = 1; // the entry's number + 1, or 0
const FINGERPRINT = 2; // 4 words
const FLAGS = 6;
const PAYMENT_HASH = 8; // 8 words
const DESCRIPTION_HASH = 16; // 8 words
const AMOUNT = 24; // u64
const SETTLED = 26; // u64
const TIMESTAMP = 28; // f64
const EXPIRY_SECONDS = 30; // f64
const ENTRY_WORDS = 32;

const IN_USE = 1;
const HAS_AMOUNT = 2;
const IS_SETTLED = 4;
const HAS_DESCRIPTION_HASH = 8;

const HASH_BYTES = 32;
const HASH_WORDS = HASH_BYTES / 4;

/** Entries that a reader looks at; chains hold fewer than one on average, and nobody can choose where a text falls. */
const MOST_STEPS = 64;

const encoder = new TextEncoder();

export class InvoiceRegistry implements InvoiceLookup {
  /** To be handed to the other threads; see `attach`. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #entries: number;
  readonly #headMask: number;
  readonly #firstEntry: number;
  readonly #fingerprinter: Fingerprinter;
  readonly #fingerprint = new Int32Array(FINGERPRINT_WORDS);
  readonly #text = new Uint8Array(LIMITS.INVOICE_CHARS);
  /** An entry as it is read or written, in bytes of the machine's order. */
  readonly #scratch = new Int32Array(ENTRY_WORDS);
  readonly #bytes = new Uint8Array(this.#scratch.buffer);
  readonly #wide = new BigUint64Array(this.#scratch.buffer);
  readonly #real = new Float64Array(this.#scratch.buffer);
  /** Of the entry that was looked at last, read before everything else of it. */
  #version = 0;
  /** Where the next invoice goes: used by the writer alone. */
  #cursor = 0;

  private constructor(memory: SharedArrayBuffer, fingerprinter: Fingerprinter) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    assert(this.#words[MARK] === MARK_VALUE, 'the memory holds a registry');
    this.#entries = this.#words[ENTRIES] ?? 0;
    const heads = headsFor(this.#entries);
    this.#headMask = heads - 1;
    this.#firstEntry = HEADER_WORDS + heads;
    this.#fingerprinter = fingerprinter;
  }

  /**
   * An empty registry. The thread that makes it is the one that writes.
   * @param fingerprinter under a secret that all threads share
   */
  static create(fingerprinter: Fingerprinter, entries: number = LIMITS.ISSUED_INVOICES): InvoiceRegistry {
    assert(Number.isInteger(entries) && entries > 0, 'a registry holds at least one invoice');
    const words = HEADER_WORDS + headsFor(entries) + entries * ENTRY_WORDS;
    const memory = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(memory).set([MARK_VALUE, entries]);
    return new InvoiceRegistry(memory, fingerprinter);
  }

  /** The registry of another thread, to read. @param fingerprinter under the same secret */
  static attach(memory: SharedArrayBuffer, fingerprinter: Fingerprinter): InvoiceRegistry {
    return new InvoiceRegistry(memory, fingerprinter);
  }

  /** Invoices that it holds at most. */
  get capacity(): number {
    return this.#entries;
  }

  find(text: InvoiceText): IssuedInvoice | null {
    if (!this.#take(text)) return null;
    const at = this.#look();
    return at === null ? null : this.#copy(at);
  }

  /**
   * The writer: adds an invoice, or what was paid for a known one. The first amount that was settled stays.
   * @param text in lower case
   * @returns whether anything is new
   */
  register(text: string, invoice: IssuedInvoice): boolean {
    if (!this.#take(text)) return false;
    const known = this.#look();
    if (known !== null) return this.#settle(known, invoice.settledMsat);
    const number = this.#cursor;
    this.#cursor = (number + 1) % this.#entries;
    const at = this.#firstEntry + number * ENTRY_WORDS;
    this.#unlink(at, number);
    this.#fill(invoice);
    this.#write(at);
    const head = this.#headOf(this.#fingerprint[0] ?? 0);
    Atomics.store(this.#words, at + NEXT, Atomics.load(this.#words, head));
    Atomics.store(this.#words, head, number + 1);
    return true;
  }

  /** Fingerprints a text; false where it is none that can be registered. */
  #take(text: InvoiceText): boolean {
    if (text.length > LIMITS.INVOICE_CHARS) return false;
    if (typeof text !== 'string') {
      this.#fingerprinter.fingerprint(text, this.#fingerprint);
      return true;
    }
    const { read, written } = encoder.encodeInto(text, this.#text);
    if (read !== text.length) return false;
    this.#fingerprinter.fingerprint(this.#text.subarray(0, written), this.#fingerprint);
    return true;
  }

  /** Where the entry of the text in hand lies, in words. Its version from before it was looked at is kept. */
  #look(): number | null {
    const words = this.#words;
    const [first = 0, second = 0, third = 0, fourth = 0] = this.#fingerprint;
    let next = Atomics.load(words, this.#headOf(first));
    for (let step = 0; next !== 0 && step < MOST_STEPS; step++) {
      const at = this.#firstEntry + (next - 1) * ENTRY_WORDS;
      this.#version = Atomics.load(words, at + VERSION);
      const isIt =
        Atomics.load(words, at + FINGERPRINT) === first &&
        Atomics.load(words, at + FINGERPRINT + 1) === second &&
        Atomics.load(words, at + FINGERPRINT + 2) === third &&
        Atomics.load(words, at + FINGERPRINT + 3) === fourth;
      if (isIt) return at;
      next = Atomics.load(words, at + NEXT);
    }
    return null;
  }

  /** The invoice of the entry that was found last, or null where it was written since it was looked at. */
  #copy(at: number): IssuedInvoice | null {
    const flags = Atomics.load(this.#words, at + FLAGS);
    this.#load(at, PAYMENT_HASH, HASH_WORDS);
    this.#load(at, AMOUNT, ENTRY_WORDS - AMOUNT);
    if ((flags & HAS_DESCRIPTION_HASH) !== 0) this.#load(at, DESCRIPTION_HASH, HASH_WORDS);
    const isWhole = this.#version % 2 === 0 && Atomics.load(this.#words, at + VERSION) === this.#version;
    if (!isWhole) return null;
    return {
      paymentHash: this.#hashAt(PAYMENT_HASH),
      amountMsat: (flags & HAS_AMOUNT) !== 0 ? (this.#wide[AMOUNT / 2] ?? 0n) : null,
      settledMsat: (flags & IS_SETTLED) !== 0 ? (this.#wide[SETTLED / 2] ?? 0n) : null,
      timestamp: this.#real[TIMESTAMP / 2] ?? 0,
      expirySeconds: this.#real[EXPIRY_SECONDS / 2] ?? 0,
      descriptionHash: (flags & HAS_DESCRIPTION_HASH) !== 0 ? this.#hashAt(DESCRIPTION_HASH) : null,
    };
  }

  /** Copies words of an entry into the scratch entry. */
  #load(at: number, word: number, count: number): void {
    for (let i = word; i < word + count; i++) this.#scratch[i] = Atomics.load(this.#words, at + i);
  }

  #hashAt(word: number): Uint8Array {
    return this.#bytes.slice(4 * word, 4 * word + HASH_BYTES);
  }

  /** Puts an invoice into the scratch entry, under the fingerprint in hand. */
  #fill(invoice: IssuedInvoice): void {
    const { paymentHash, amountMsat, settledMsat, timestamp, expirySeconds, descriptionHash } = invoice;
    assert(paymentHash.length === HASH_BYTES, 'a payment hash has 32 bytes');
    this.#scratch.fill(0);
    this.#scratch.set(this.#fingerprint, FINGERPRINT);
    this.#scratch[FLAGS] =
      IN_USE |
      (amountMsat === null ? 0 : HAS_AMOUNT) |
      (settledMsat === null ? 0 : IS_SETTLED) |
      (descriptionHash === null ? 0 : HAS_DESCRIPTION_HASH);
    this.#bytes.set(paymentHash, 4 * PAYMENT_HASH);
    if (descriptionHash !== null) this.#bytes.set(descriptionHash, 4 * DESCRIPTION_HASH);
    this.#wide[AMOUNT / 2] = amountMsat ?? 0n;
    this.#wide[SETTLED / 2] = settledMsat ?? 0n;
    this.#real[TIMESTAMP / 2] = timestamp;
    this.#real[EXPIRY_SECONDS / 2] = expirySeconds;
  }

  /** Writes the scratch entry. */
  #write(at: number): void {
    Atomics.add(this.#words, at + VERSION, 1);
    for (let i = FINGERPRINT; i < ENTRY_WORDS; i++) Atomics.store(this.#words, at + i, this.#scratch[i] ?? 0);
    Atomics.add(this.#words, at + VERSION, 1);
  }

  #settle(at: number, settledMsat: bigint | null): boolean {
    const known = this.#copy(at);
    if (settledMsat === null || known === null || known.settledMsat !== null) return false;
    this.#fill({ ...known, settledMsat });
    this.#write(at);
    return true;
  }

  /** Takes an entry out of its chain, where it is in one. */
  #unlink(at: number, number: number): void {
    const words = this.#words;
    if (Atomics.load(words, at + FLAGS) === 0) return;
    let link = this.#headOf(Atomics.load(words, at + FINGERPRINT));
    for (;;) {
      const next = Atomics.load(words, link);
      assert(next !== 0, 'an entry in use is in its chain');
      if (next === number + 1) break;
      link = this.#firstEntry + (next - 1) * ENTRY_WORDS + NEXT;
    }
    Atomics.store(words, link, Atomics.load(words, at + NEXT));
  }

  #headOf(first: number): number {
    return HEADER_WORDS + (first & this.#headMask);
  }
}

/** A power of two, one or more heads for every entry. */
function headsFor(entries: number): number {
  return 2 ** Math.ceil(Math.log2(entries));
}
