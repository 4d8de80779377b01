/**
 * Shows what some bytes say: one line of text in, one JSON-able result out. For people and scripts that must see
 * what this module sees, so it runs the very decoders of the packet path.
 *
 * Rules: wire.md; the JSON convention of the vectors' README (bytes are hex, integers are decimal text).
 */
import { fromHex, toHex } from '../../core/bytes.js';
import type { Codec, Decoded, Json } from '../../core/codec.js';
import { LIMITS } from '../../core/limits.js';
import { Reason, reasonName, reasonText, type ReasonName } from '../../core/reasons.js';
import { covenantJson, decodeCovenant, encodeCovenant } from '../../packet/covenant.js';
import { decodeDiscovery, discoveryJson, encodeDiscovery } from '../../packet/discovery.js';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  isMethodName,
  METHOD_NAMES,
  MODULE_API,
  type MethodName,
} from '../../packet/module-api.js';
import { decodePacket, encodePacket, packetJson } from '../../packet/packet.js';
import { decodeProof, encodeProof, proofJson } from '../../packet/proof.js';

/** What can be inspected without naming a method. */
const PLAIN_KINDS = ['packet', 'proof', 'covenant', 'discovery', 'ipc', 'invoice', 'ctv'] as const;

export type InspectKind =
  (typeof PLAIN_KINDS)[number] | `api-request:${MethodName}` | `api-response:${MethodName}`;

/** Every kind, for help and messages. */
export const INSPECT_KINDS: readonly InspectKind[] = [
  ...PLAIN_KINDS,
  ...METHOD_NAMES.map((method) => `api-request:${method}` as const),
  ...METHOD_NAMES.map((method) => `api-response:${method}` as const),
];

export function isInspectKind(text: string): text is InspectKind {
  return (INSPECT_KINDS as readonly string[]).includes(text);
}

/** One output line. `kind` stands for ipc messages only; `hex` for all but invoices and hashes. */
export type InspectResult =
  | { readonly ok: true; readonly kind?: string; readonly value: Json; readonly hex?: string }
  | { readonly ok: false; readonly reason: ReasonName; readonly detail: string };

/** A decoder that lives in another folder and gives the whole result. */
export type BytesInspector = (input: Uint8Array) => InspectResult;
export type TextInspector = (text: string) => InspectResult;

/** What reads the kinds that are not of src/packet. */
export interface InspectTools {
  /** A frame's body as exchanged with the node, in one generation of the node. */
  readonly ipc: BytesInspector;
  /** A BOLT11 invoice. */
  readonly invoice: TextInspector;
  /** A transaction in hex, a colon, and the index of an input: the template hash of that input. */
  readonly ctv: TextInspector;
}

/** A colon, and the digits of 2^32-1. */
const INDEX_CHARS = 11;

/** The most characters that a line of a kind may have, white space around it not counted. */
export function maxLineChars(kind: InspectKind): number {
  if (kind === 'ctv') return 2 * LIMITS.TRANSACTION_BYTES + INDEX_CHARS;
  const isFramed = kind === 'ipc' || kind.startsWith('api-response:');
  return 2 * (isFramed ? LIMITS.NODE_FRAME_BYTES : LIMITS.PACKET_BYTES);
}

/** The result for a line that was too long to be kept. */
export function lineTooLong(kind: InspectKind): InspectResult {
  return refusal(Reason.InputTooLong, `at most ${maxLineChars(kind)} characters are read`);
}

export function refusal(reason: Reason, detail: string = reasonText(reason)): InspectResult {
  return { ok: false, reason: reasonName(reason), detail };
}

/** Reads one line. Never throws on what it says. */
export function inspectLine(kind: InspectKind, line: string, tools: InspectTools): InspectResult {
  // White space around hex means nothing; in an invoice it is a fault, and only a line's end may be left out.
  const text = kind === 'invoice' ? line.replace(/\r$/, '') : line.trim();
  if (text.length > maxLineChars(kind)) return lineTooLong(kind);
  if (kind === 'invoice') return tools.invoice(text);
  if (kind === 'ctv') return tools.ctv(text);
  const input = fromHex(text);
  if (input === null) return refusal(Reason.NotHex);
  return kind === 'ipc' ? tools.ipc(input) : inspectBytes(kind, input);
}

function inspectBytes(
  kind: Exclude<InspectKind, 'ipc' | 'invoice' | 'ctv'>,
  input: Uint8Array,
): InspectResult {
  switch (kind) {
    case 'packet':
      return shown(
        decodePacket(input),
        ({ packet }) => packetJson(packet),
        ({ packet, hasMagic }) => encodePacket(packet, { magic: hasMagic }),
      );
    case 'proof':
      return shown(decodeProof(input), proofJson, encodeProof);
    case 'covenant':
      return shown(decodeCovenant(input), covenantJson, encodeCovenant);
    case 'discovery':
      return shown(decodeDiscovery(input), discoveryJson, encodeDiscovery);
    default:
      return inspectApi(kind, input);
  }
}

function inspectApi(kind: string, input: Uint8Array): InspectResult {
  const [direction, method] = kind.split(':');
  if (method === undefined || !isMethodName(method)) return refusal(Reason.UnknownMethod);
  if (direction === 'api-request') {
    const request: Codec<unknown> = MODULE_API[method].request;
    return shown(
      decodeRequest<MethodName>(method, input),
      (value) => request.json(value, 'text'),
      (value) => encodeRequest<MethodName>(method, value),
    );
  }
  const response: Codec<unknown> = MODULE_API[method].response;
  return shown(
    decodeResponse<MethodName>(method, input),
    (value) => response.json(value, 'text'),
    (value) => encodeResponse<MethodName>(method, value),
  );
}

function shown<T>(
  decoded: Decoded<T>,
  json: (value: T) => Json,
  encode: (value: T) => Uint8Array,
): InspectResult {
  if (!decoded.ok) {
    const { reason, detail, offset } = decoded.failure;
    return refusal(reason, `${detail} (at byte ${offset})`);
  }
  return { ok: true, value: json(decoded.value), hex: toHex(encode(decoded.value)) };
}
