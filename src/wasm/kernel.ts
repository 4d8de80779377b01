/**
 * The WebAssembly kernel: protocol detection, SHA-256 and keyed fingerprints at the speed of the hot path.
 *
 * Source: assembly/, built by `npm run build:wasm`. The module is compiled once in a process and handed to the
 * workers; each thread has an instance of its own, with memory of its own, so nothing is shared and nothing waits.
 */
import { readFileSync } from 'node:fs';
import { assert, present } from '../core/assert.js';
import { MeshError } from '../core/errors.js';
import { DETECTED_PROTOCOLS, type DetectedProtocol, type ProtocolDetector } from '../packet/detect.js';
import { FINGERPRINT_SECRET_BYTES, type Fingerprinter } from '../replay/fingerprint.js';
import { detectTables } from './detect-tables.js';

/** Seen from src/ and from dist/ alike. */
const WASM_FILE = new URL('../../dist/wasm/mesh.wasm', import.meta.url);

const SHA256_BYTES = 32;

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
  readonly detect: (length: number) => number;
  readonly sha256: (length: number) => void;
  readonly siphash128: (length: number) => void;
}

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

/** One instance. Inputs are copied in and not kept; no call waits. Only the thread that made it may use it. */
export class WasmKernel implements ProtocolDetector, Fingerprinter {
  readonly #exports: KernelExports;
  readonly #inputAddress: number;
  readonly #resultAddress: number;
  /** Views of the memory, remade when its buffer changes. */
  #bytes: Uint8Array;
  #result: Int32Array;

  /** @param secret 16 bytes under which fingerprints are made: the same on all threads of one replay table */
  constructor(module: KernelModule, secret: Uint8Array) {
    assert(secret.length === FINGERPRINT_SECRET_BYTES, 'a fingerprint secret has 16 bytes');
    this.#exports = new engine.Instance(module, {}).exports;
    this.#inputAddress = this.#exports.inputAddress();
    this.#resultAddress = this.#exports.resultAddress();
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    this.#result = new Int32Array(this.#exports.memory.buffer, this.#resultAddress, SHA256_BYTES / 4);

    const tables = detectTables();
    assert(tables.length <= this.#exports.tablesBytes(), 'the detection tables fit in their area');
    this.#bytes.set(tables, this.#exports.tablesAddress());
    this.#bytes.set(secret, this.#exports.secretAddress());
  }

  /** Compiles and instantiates in one step: for one thread alone. */
  static load(secret: Uint8Array): WasmKernel {
    return new WasmKernel(compileKernel(), secret);
  }

  detectProtocol(data: Uint8Array): DetectedProtocol {
    this.#put(data);
    return present(
      DETECTED_PROTOCOLS[this.#exports.detect(data.length)],
      'the kernel answers with known codes',
    );
  }

  /** 32 bytes, the caller's own. */
  sha256(data: Uint8Array): Uint8Array {
    this.#put(data);
    this.#exports.sha256(data.length);
    return this.#bytes.slice(this.#resultAddress, this.#resultAddress + SHA256_BYTES);
  }

  fingerprint(key: Uint8Array, out: Int32Array): void {
    this.#put(key);
    this.#exports.siphash128(key.length);
    const result = this.#result;
    for (let i = 0; i < out.length; i++) out[i] = result[i] ?? 0;
  }

  /** Copies an input to where the kernel reads it. */
  #put(data: Uint8Array): void {
    if (this.#inputAddress + data.length > this.#bytes.length) this.#grow(data.length);
    this.#bytes.set(data, this.#inputAddress);
  }

  #grow(length: number): void {
    assert(this.#exports.reserveInput(length) !== 0, `the kernel has no memory for ${length} bytes`);
    const { buffer } = this.#exports.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#result = new Int32Array(buffer, this.#resultAddress, SHA256_BYTES / 4);
  }
}
