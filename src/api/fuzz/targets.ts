/**
 * What the fuzzer holds every reader of outside bytes to: it never throws, what it accepts encodes back to the
 * same bytes, and what it refuses it refuses with a reason.
 */
import { equalBytes, toHex } from '../../core/bytes.js';
import type { Decoded, Json } from '../../core/codec.js';
import { MeshError } from '../../core/errors.js';
import { Reason, reasonOf } from '../../core/reasons.js';
import { parseConfig } from '../../config/config.js';
import { FrameReader } from '../../core/frame.js';
import { GENERATIONS } from '../../node/generations.js';
import { ipcInspect } from '../../node/ipc-codec.js';
import { covenantJson, decodeCovenant, encodeCovenant } from '../../packet/covenant.js';
import { PlainProtocolDetector } from '../../packet/detect.js';
import { decodeDiscovery, discoveryJson, encodeDiscovery } from '../../packet/discovery.js';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  METHOD_NAMES,
  MODULE_API,
  type MethodName,
} from '../../packet/module-api.js';
import { decodePacket, encodePacket, packetJson, type DecodedPacket } from '../../packet/packet.js';
import { decodeProof, encodeProof, proofJson } from '../../packet/proof.js';
import { FINGERPRINT_SECRET_BYTES } from '../../replay/fingerprint.js';
import { WasmKernel } from '../../wasm/kernel.js';
import { invoiceTarget } from './invoice-target.js';
import {
  apiSamples,
  configSamples,
  covenantSample,
  discoverySamples,
  frameSamples,
  freeTrafficSamples,
  ipcSamples,
  packetSamples,
  proofSamples,
} from './samples.js';
import { transactionTarget } from './transaction-target.js';

/** What a target made of one input: a `fault` is a broken invariant, in words. */
export type FuzzVerdict = 'accepted' | 'refused' | { readonly fault: string };

export interface FuzzTarget {
  readonly name: string;
  /** Good inputs to start from, at least one. */
  readonly samples: readonly Uint8Array[];
  /** Tries one input. Anything it throws is a fault. */
  check(input: Uint8Array): FuzzVerdict;
}

/** Every target by name, made when asked for: `detect` loads the WebAssembly kernel. */
export const FUZZ_TARGETS: ReadonlyMap<string, () => FuzzTarget> = new Map<string, () => FuzzTarget>([
  [
    'packet',
    () => codecTarget('packet', packetSamples, decodePacket, packetAgain, ({ packet }) => packetJson(packet)),
  ],
  ['proof', () => codecTarget('proof', proofSamples, decodeProof, encodeProof, proofJson)],
  ['covenant', () => codecTarget('covenant', [covenantSample], decodeCovenant, encodeCovenant, covenantJson)],
  [
    'discovery',
    () => codecTarget('discovery', discoverySamples, decodeDiscovery, encodeDiscovery, discoveryJson),
  ],
  ['module-api', moduleApiTarget],
  ['detect', detectTarget],
  ['ipc', ipcTarget],
  ['frames', framesTarget],
  ['invoice', invoiceTarget],
  ['transaction', transactionTarget],
  ['config', configTarget],
]);

function packetAgain({ packet, hasMagic }: DecodedPacket): Uint8Array {
  return encodePacket(packet, { magic: hasMagic });
}

function codecTarget<T>(
  name: string,
  samples: readonly Uint8Array[],
  read: (input: Uint8Array) => Decoded<T>,
  write: (value: T) => Uint8Array,
  json: (value: T) => Json,
): FuzzTarget {
  return { name, samples, check: (input) => checkCodec(input, read(input), write, json) };
}

function checkCodec<T>(
  input: Uint8Array,
  decoded: Decoded<T>,
  write: (value: T) => Uint8Array,
  json: (value: T) => Json,
): FuzzVerdict {
  if (!decoded.ok) {
    const { reason, offset } = decoded.failure;
    if (reasonOf(reason) === null || reason === Reason.Accepted) return { fault: 'refused without a reason' };
    if (offset < 0 || offset > input.length) return { fault: `the fault is said to be at byte ${offset}` };
    return 'refused';
  }
  JSON.stringify(json(decoded.value));
  return equalBytes(write(decoded.value), input) ? 'accepted' : { fault: 'encodes back to other bytes' };
}

/** The first byte chooses the method and the direction. */
function moduleApiTarget(): FuzzTarget {
  const marks = METHOD_NAMES.flatMap((method) => [
    { method, isRequest: true },
    { method, isRequest: false },
  ]);
  const markOf = (method: MethodName, isRequest: boolean): number =>
    marks.findIndex((mark) => mark.method === method && mark.isRequest === isRequest);
  return {
    name: 'module-api',
    samples: apiSamples.map(({ method, isRequest, bytes }) =>
      Uint8Array.of(markOf(method, isRequest), ...bytes),
    ),
    check: (input) => {
      const mark = marks[(input[0] ?? 0) % marks.length];
      const method = mark?.method ?? 'send_packet';
      const { request, response } = MODULE_API[method];
      const body = input.subarray(1);
      return mark?.isRequest === true
        ? checkCodec<never>(
            body,
            decodeRequest<MethodName>(method, body) as Decoded<never>,
            (value) => encodeRequest<MethodName>(method, value),
            (value) => request.json(value, 'text'),
          )
        : checkCodec<never>(
            body,
            decodeResponse<MethodName>(method, body) as Decoded<never>,
            (value) => encodeResponse<MethodName>(method, value),
            (value) => response.json(value, 'text'),
          );
    },
  };
}

/** The plain detector and the WebAssembly one must agree, and a byte more must never pass. */
function detectTarget(): FuzzTarget {
  const plain = new PlainProtocolDetector();
  const kernel = WasmKernel.load(new Uint8Array(FINGERPRINT_SECRET_BYTES));
  return {
    name: 'detect',
    samples: [...freeTrafficSamples, ...packetSamples.slice(0, 1)],
    check: (input) => {
      const found = plain.detectProtocol(input);
      const fast = kernel.detectProtocol(input);
      if (found !== fast) return { fault: `plain says ${found}, WebAssembly says ${fast}` };
      if (found === 'Unknown') return 'refused';
      const longer = new Uint8Array(input.length + 1);
      longer.set(input);
      const isStrict = found === 'MeshPacket' || plain.detectProtocol(longer) === 'Unknown';
      return isStrict ? 'accepted' : { fault: `${found} with a byte left over` };
    },
  };
}

/** The first byte chooses the node's generation. */
function ipcTarget(): FuzzTarget {
  return {
    name: 'ipc',
    samples: ipcSamples.map((body) => Uint8Array.of(0, ...body)),
    check: (input) => {
      const generation = GENERATIONS[(input[0] ?? 0) % GENERATIONS.length];
      const body = input.subarray(1);
      const decoded = ipcInspect(body, generation?.to ?? '');
      if (!decoded.ok) return reasonOf(decoded.failure.reason) === null ? { fault: 'no reason' } : 'refused';
      JSON.stringify(decoded.value.value);
      return decoded.value.hex === toHex(body) ? 'accepted' : { fault: 'encodes back to other bytes' };
    },
  };
}

/** A stream gives the same frames however it is cut, and never more memory than twice its bytes. */
function framesTarget(): FuzzTarget {
  const bodiesOf = (
    input: Uint8Array,
    step: number,
  ): { bodies: Uint8Array[]; end: Reason; reserved: number } => {
    const reader = new FrameReader();
    const bodies: Uint8Array[] = [];
    let end = Reason.Accepted;
    for (let at = 0; at < input.length && end === Reason.Accepted; at += step) {
      end = reader.push(input.subarray(at, at + step), (body) => bodies.push(body.slice()) > 0);
    }
    return { bodies, end, reserved: reader.reservedBytes };
  };
  return {
    name: 'frames',
    samples: frameSamples,
    check: (input) => {
      const whole = bodiesOf(input, Math.max(1, input.length));
      const cut = bodiesOf(input, 1 + (((input[0] ?? 0) + input.length) % 97));
      if (whole.reserved > 2 * input.length + 65_536)
        return { fault: `${whole.reserved} bytes are reserved` };
      const isSame =
        whole.end === cut.end &&
        whole.bodies.length === cut.bodies.length &&
        whole.bodies.every((body, i) => equalBytes(body, cut.bodies[i] ?? new Uint8Array(0)));
      if (!isSame) return { fault: 'other frames where the stream is cut into pieces' };
      return whole.end === Reason.Accepted ? 'accepted' : 'refused';
    },
  };
}

/** Only an error that says what to do may come out. */
function configTarget(): FuzzTarget {
  return {
    name: 'config',
    samples: configSamples,
    check: (input) => {
      try {
        parseConfig({ text: Buffer.from(input).toString('utf8'), fileName: 'config.toml', env: {} });
        return 'accepted';
      } catch (error) {
        if (error instanceof MeshError && error.code === 'CONFIG_INVALID') return 'refused';
        throw error;
      }
    },
  };
}
