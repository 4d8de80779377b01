/**
 * The WebAssembly kernel: protocol detection, SHA-256 and keyed fingerprints at the speed of the hot path. Long inputs
 * are hashed by OpenSSL, which has the processor's own instructions for it but costs a microsecond a call.
 *
 * Source: assembly/, built by `npm run build:wasm`. The module is compiled once in a process and handed to the
 * workers; each thread has an instance of its own, with memory of its own, so nothing is shared and nothing waits.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { assert, present } from '../core/assert.js';
import { MeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { BITCOIN_HEADER_BYTES, BITCOIN_MAGICS } from '../packet/bitcoin-wire.js';
import type { ExaminedPacket, ExaminerRules, PacketExaminer } from '../packet/examined.js';
import { DIGESTED_BODY_BYTES } from '../packet/mark.js';
import { DETECTED_PROTOCOLS, type BatchDetector, type DetectedProtocol } from '../packet/detect.js';
import type { InvoiceParser, InvoiceParts } from '../payment/bolt11/quick.js';
import { FINGERPRINT_SECRET_BYTES, type Fingerprinter } from '../replay/fingerprint.js';
import { InvoiceInPlace } from './invoice-in-place.js';
import { PacketInPlace } from './packet-in-place.js';
import { detectTables } from './detect-tables.js';

/** Seen from src/ and from dist/ alike. */
const WASM_FILE = new URL('../../dist/wasm/mesh.wasm', import.meta.url);

const SHA256_BYTES = 32;
/** Where the kernel has the id of whose packets are examined, behind its rules. */
const PREVIOUS_HOP = 40;

const BITCOIN_P2P = DETECTED_PROTOCOLS.indexOf('BitcoinP2P');
const UNKNOWN = DETECTED_PROTOCOLS.indexOf('Unknown');
/** The kernel's answer for a Bitcoin message whose long body is still to be hashed. */
const BITCOIN_IF_CHECKSUM = DETECTED_PROTOCOLS.length;

declare const moduleBrand: unique symbol;

/** A compiled kernel: may be posted to other threads. */
export type KernelModule = object & { readonly [moduleBrand]: true };

/** The engine's own WebAssembly interface, as far as it is used: Node's types do not declare it. */
interface WasmEngine {
  readonly Module: new (bytes: Uint8Array) => KernelModule;
  readonly Instance: new (module: KernelModule, imports: object) => { readonly exports: KernelExports };
}
const engine = Reflect.get(globalThis, 'WebAssembly') as WasmEngine;

/** What assembly/index.ts exports. Addresses and lengths are bytes. */
interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly inputAddress: () => number;
  readonly resultAddress: () => number;
  readonly secretAddress: () => number;
  readonly tablesAddress: () => number;
  readonly tablesBytes: () => number;
  /** Makes room for an input of that length; 0 where the engine has no memory left. May replace `memory.buffer`. */
  readonly reserveInput: (bytes: number) => number;
  readonly detect: (at: number, length: number) => number;
  readonly detectMany: (at: number, bytes: number, count: number) => void;
  /** From so many bytes on the host hashes. */
  readonly hostHashBytes: () => number;
  readonly sha256: (at: number, length: number) => void;
  readonly siphash128: (at: number, length: number) => void;
  readonly rulesAddress: () => number;
  readonly foundAddress: () => number;
  readonly aheadAddress: () => number;
  /** Packets that fit there. */
  readonly mostAhead: () => number;
  /** Looks for Bitcoin messages in so many packets. @returns how many bodies the host has to hash, at longAddress */
  readonly lookAhead: (count: number) => number;
  readonly longAddress: () => number;
  /** Hashes what was found. */
  readonly hashNoted: () => void;
  /** What a packet is, as an Examined. */
  readonly examine: (at: number, length: number) => number;
  /** To be called where other rules hold, or another neighbour speaks. */
  readonly forgetBeginning: () => void;
  /** Not 0 where that packet is free, of which that was left open, the result being the SHA-256 of its message's body. */
  readonly isFreeByResult: () => number;
  /** Not 0 where the invoice was read. */
  readonly readInvoice: (at: number, length: number) => number;
  readonly invoiceAddress: () => number;
  readonly signedAddress: () => number;
  /** Not 0 where the checksum of the Bitcoin message is right, the result being the SHA-256 of its body. */
  readonly isChecksumRight: (at: number) => number;
}

/** What the kernel says of a packet. */
const Examined = { Unsure: 0, Free: 1, FreeIfChecksum: 2, Paid: 3 } as const;

/**
 * Compiles the kernel, once for all threads.
 * @throws MeshError WASM_MISSING where the file was not built
 */
export function compileKernel(file: URL = WASM_FILE): KernelModule {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new MeshError(
      'WASM_MISSING',
      'the WebAssembly kernel cannot be read: run "npm run build" in the package, or install it again',
      { file: file.pathname },
      { cause },
    );
  }
  return new engine.Module(bytes);
}

/**
 * One instance. Inputs are copied in and not kept, but for those that lie in its workspace already; no call waits. Only the
 * thread that made it may use it.
 */
export class WasmKernel implements BatchDetector, Fingerprinter, PacketExaminer, InvoiceParser {
  readonly #exports: KernelExports;
  readonly #firstAddress: number;
  /** Where inputs are copied to. */
  #inputAddress: number;
  readonly #resultAddress: number;
  readonly #hostHashBytes: number;
  /** The memory and views of it, remade when it grows. */
  #memory: ArrayBuffer;
  #bytes: Uint8Array;
  #result: Int32Array;
  #packet: PacketInPlace;
  #invoice: InvoiceInPlace;
  #ahead: Uint32Array;
  /** Bodies that the host hashes ahead: where each lies, its length, and where its digest goes. */
  #long: Uint32Array;
  /** By which packets are examined; the kernel has a copy. */
  #rules: ExaminerRules | null = null;
  /** Whose packets are examined: the kernel has a copy. */
  #previousHop: NodeId | null = null;

  /** @param secret 16 bytes under which fingerprints are made: the same on all threads of one replay table */
  constructor(module: KernelModule, secret: Uint8Array) {
    assert(secret.length === FINGERPRINT_SECRET_BYTES, 'a fingerprint secret has 16 bytes');
    this.#exports = new engine.Instance(module, {}).exports;
    this.#firstAddress = this.#exports.inputAddress();
    this.#inputAddress = this.#firstAddress;
    this.#resultAddress = this.#exports.resultAddress();
    this.#hostHashBytes = this.#exports.hostHashBytes();
    assert(this.#hostHashBytes === DIGESTED_BODY_BYTES, 'the kernel makes the marks that mark.ts says');
    this.#memory = this.#exports.memory.buffer;
    this.#bytes = new Uint8Array(this.#memory);
    this.#result = new Int32Array(this.#memory, this.#resultAddress, SHA256_BYTES / 4);
    this.#packet = this.#packetInPlace();
    this.#invoice = this.#invoiceInPlace();
    this.#ahead = this.#listOf(this.#exports.aheadAddress(), 2);
    this.#long = this.#listOf(this.#exports.longAddress(), 3);

    const tables = detectTables();
    assert(tables.length <= this.#exports.tablesBytes(), 'the detection tables fit in their area');
    this.#bytes.set(tables, this.#exports.tablesAddress());
    this.#bytes.set(secret, this.#exports.secretAddress());
  }

  /** Compiles and instantiates in one step: for one thread alone. */
  static load(secret: Uint8Array): WasmKernel {
    return new WasmKernel(compileKernel(), secret);
  }

  /**
   * Memory of the kernel for the caller to put bytes into: what lies there is looked at in place. Called once.
   * @returns so many bytes, valid as long as no other input is longer than they are
   */
  workspace(length: number): Uint8Array {
    const start = this.#firstAddress;
    assert(this.#inputAddress === start, 'a kernel has one workspace');
    const aligned = (length + 7) & ~7;
    this.#reserve(2 * aligned);
    this.#inputAddress = start + aligned;
    return this.#bytes.subarray(start, start + length);
  }

  detectProtocol(data: Uint8Array): DetectedProtocol {
    const at = this.#place(data);
    const code = this.#checked(this.#exports.detect(at, data.length), at, at + data.length);
    return present(DETECTED_PROTOCOLS[code], 'the kernel answers with known codes');
  }

  detectMany(data: Uint8Array, ends: Uint32Array, codes: Uint8Array): void {
    const count = ends.length;
    assert(codes.length === count, 'a code for each message');
    assert((ends[count - 1] ?? 0) <= data.length, 'every message lies in the data');
    const endsOffset = (data.length + 3) & ~3;
    this.#reserve(endsOffset + 5 * count);
    this.#bytes.set(data, this.#inputAddress);
    const endsAddress = this.#inputAddress + endsOffset;
    new Uint32Array(this.#memory, endsAddress, count).set(ends);
    this.#exports.detectMany(this.#inputAddress, data.length, count);
    const codesAddress = endsAddress + 4 * count;
    codes.set(this.#bytes.subarray(codesAddress, codesAddress + count));
    for (let at = codes.indexOf(BITCOIN_IF_CHECKSUM); at >= 0; at = codes.indexOf(BITCOIN_IF_CHECKSUM, at)) {
      const [start, end] = [ends[at - 1] ?? 0, ends[at] ?? 0];
      codes[at] = this.#checked(BITCOIN_IF_CHECKSUM, this.#inputAddress + start, this.#inputAddress + end);
    }
  }

  examine(bytes: Uint8Array, rules: ExaminerRules, previousHop: NodeId): ExaminedPacket | null {
    // Only where it lies until the next: anywhere else the next input would be written over it.
    if (bytes.byteOffset === 0 || bytes.buffer !== this.#memory || bytes.length > LIMITS.PACKET_BYTES)
      return null;
    if (this.#rules !== rules) this.#follow(rules);
    if (this.#previousHop !== previousHop) this.#listenTo(previousHop);
    const answer = this.#exports.examine(bytes.byteOffset, bytes.length);
    if (answer === Examined.Unsure) return null;
    return answer !== Examined.FreeIfChecksum || this.#isFree() ? this.#packet : null;
  }

  /** Where packets of the workspace that are to be looked at ahead are told: the address of each, and its length. */
  get ahead(): Uint32Array {
    return this.#ahead;
  }

  /**
   * Hashes Bitcoin messages together, which takes longer one by one.
   * @param count packets in `ahead`, in the order in which they lie and will be examined, their bytes unchanged until then
   */
  lookAhead(rules: ExaminerRules, count: number): void {
    if (this.#rules !== rules) this.#follow(rules);
    const longer = this.#exports.lookAhead(count);
    for (let i = 0; i < longer; i++) {
      const entry = 3 * i;
      const body = new Uint8Array(this.#memory, this.#long[entry], this.#long[entry + 1]);
      this.#hostSha256(body, this.#long[entry + 2]);
    }
    this.#exports.hashNoted();
  }

  parseInvoice(ascii: Uint8Array): InvoiceParts | null {
    if (ascii.length > LIMITS.INVOICE_CHARS) return null;
    if (this.#exports.readInvoice(this.#place(ascii), ascii.length) === 0) return null;
    this.#hostSha256(this.#invoice.signed);
    return this.#invoice.parts();
  }

  /** 32 bytes, the caller's own. */
  sha256(data: Uint8Array): Uint8Array {
    if (data.length >= this.#hostHashBytes) this.#hostSha256(data);
    else this.#exports.sha256(this.#place(data), data.length);
    return this.#bytes.slice(this.#resultAddress, this.#resultAddress + SHA256_BYTES);
  }

  fingerprint(key: Uint8Array, out: Int32Array): void {
    this.#exports.siphash128(this.#place(key), key.length);
    const result = this.#result;
    for (let i = 0; i < out.length; i++) out[i] = result[i] ?? 0;
  }

  /** A code of the kernel; where it left the checksum of the message at [start, end) of its memory open, what that says. */
  #checked(code: number, start: number, end: number): number {
    if (code !== BITCOIN_IF_CHECKSUM) return code;
    return this.#isChecksumRight(start, end - start) ? BITCOIN_P2P : UNKNOWN;
  }

  /** Of a Bitcoin message in the memory, in which all else is right. */
  #isChecksumRight(start: number, length: number): boolean {
    this.#hashBody(start, length);
    return this.#exports.isChecksumRight(start) !== 0;
  }

  /** Of the packet that was examined last, in which all but the checksum of its message is right. */
  #isFree(): boolean {
    this.#hashBody(this.#packet.payloadAt, this.#packet.payloadBytes);
    return this.#exports.isFreeByResult() !== 0;
  }

  #hashBody(start: number, length: number): void {
    this.#hostSha256(
      new Uint8Array(this.#memory, start + BITCOIN_HEADER_BYTES, length - BITCOIN_HEADER_BYTES),
    );
  }

  /** OpenSSL's SHA-256 in the memory. A text of a character for each byte comes back much faster than an array. */
  #hostSha256(data: Uint8Array, at = this.#resultAddress): void {
    const digest = hash('sha256', data, 'binary');
    const bytes = this.#bytes;
    for (let i = 0; i < SHA256_BYTES; i++) bytes[at + i] = digest.charCodeAt(i);
  }

  #follow(rules: ExaminerRules): void {
    const at = this.#exports.rulesAddress();
    this.#bytes.set(rules.self, at);
    this.#bytes.set(BITCOIN_MAGICS[rules.network], at + rules.self.length);
    this.#exports.forgetBeginning();
    this.#rules = rules;
  }

  #listenTo(previousHop: NodeId): void {
    this.#bytes.set(previousHop, this.#exports.rulesAddress() + PREVIOUS_HOP);
    this.#exports.forgetBeginning();
    this.#previousHop = previousHop;
  }

  /** The address of an input: where it lies in the kernel's memory, or where it was copied to. */
  #place(data: Uint8Array): number {
    // Where it lies is asked first: asking a small array for its buffer makes it one, which costs more than all the rest.
    if (data.byteOffset !== 0 && data.buffer === this.#memory) return data.byteOffset;
    this.#reserve(data.length);
    this.#bytes.set(data, this.#inputAddress);
    return this.#inputAddress;
  }

  #reserve(length: number): void {
    if (this.#inputAddress + length <= this.#bytes.length) return;
    // A memory that grows is another one, and a workspace in the old one would be lost.
    assert(this.#inputAddress === this.#firstAddress, `no input beside a workspace has ${length} bytes`);
    assert(this.#exports.reserveInput(length) !== 0, `the kernel has no memory for ${length} bytes`);
    this.#memory = this.#exports.memory.buffer;
    this.#bytes = new Uint8Array(this.#memory);
    this.#result = new Int32Array(this.#memory, this.#resultAddress, SHA256_BYTES / 4);
    this.#packet = this.#packetInPlace();
    this.#invoice = this.#invoiceInPlace();
    this.#ahead = this.#listOf(this.#exports.aheadAddress(), 2);
    this.#long = this.#listOf(this.#exports.longAddress(), 3);
  }

  /** Of all packets that can be looked at ahead, so many words each. */
  #listOf(address: number, words: number): Uint32Array {
    return new Uint32Array(this.#memory, address, words * this.#exports.mostAhead());
  }

  #packetInPlace(): PacketInPlace {
    return new PacketInPlace(this.#memory, this.#exports.foundAddress());
  }

  #invoiceInPlace(): InvoiceInPlace {
    const { invoiceAddress, signedAddress } = this.#exports;
    return new InvoiceInPlace(this.#memory, invoiceAddress(), signedAddress(), this.#resultAddress);
  }
}
