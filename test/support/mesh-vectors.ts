// The golden bytes of test/vectors/mesh.jsonl, each with the codec that reads it.
import { readFileSync } from 'node:fs';
import { assert, present } from '../../src/core/assert.js';
import { fromHex } from '../../src/core/bytes.js';
import type { Codec } from '../../src/core/codec.js';
import type { InspectKind } from '../../src/api/inspect/inspect.js';
import { covenantProof } from '../../src/packet/covenant.js';
import { discoveryMessage } from '../../src/packet/discovery.js';
import { isMethodName, MODULE_API } from '../../src/packet/module-api.js';
import { hasMagic, meshPacket, oldestMeshPacket } from '../../src/packet/packet.js';
import { paymentProof } from '../../src/packet/proof.js';

export interface MeshVector {
  /** The line, for messages: number, kind and name. */
  readonly label: string;
  readonly inspectKind: InspectKind;
  readonly hex: string;
  readonly bytes: Uint8Array;
  /** Bytes in front of the bincode: `MESH` or none. */
  readonly bodyOffset: number;
  readonly isOldest: boolean;
  readonly codec: Codec<unknown>;
  readonly value: unknown;
}

interface Line {
  readonly kind: string;
  readonly name: string;
  readonly hex: string;
  readonly value: unknown;
}

const lines = readFileSync(new URL('../vectors/mesh.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Line);

export const meshVectors: readonly MeshVector[] = lines.map((line, i) => {
  const bytes = present(fromHex(line.hex), 'vectors are hex');
  const isPacket = line.kind.startsWith('packet');
  return {
    label: `line ${i + 1}, ${line.kind} ${line.name}`,
    inspectKind: inspectKindOf(line),
    hex: line.hex,
    bytes,
    bodyOffset: isPacket && hasMagic(bytes) ? 4 : 0,
    isOldest: line.kind === 'packet-oldest',
    codec: codecOf(line),
    value: line.value,
  };
});

function inspectKindOf({ kind, name }: Line): InspectKind {
  if (kind === 'packet-oldest') return 'packet';
  if (kind !== 'api-request' && kind !== 'api-response') return kind as InspectKind;
  assert(isMethodName(name), `${name} is no method`);
  return `${kind}:${name}`;
}

function codecOf({ kind, name }: Line): Codec<unknown> {
  switch (kind) {
    case 'packet':
      return meshPacket;
    case 'packet-oldest':
      return oldestMeshPacket;
    case 'proof':
      return paymentProof;
    case 'covenant':
      return covenantProof;
    case 'discovery':
      return discoveryMessage;
    default: {
      assert(isMethodName(name), `${name} is no method`);
      return kind === 'api-request' ? MODULE_API[name].request : MODULE_API[name].response;
    }
  }
}

/** The convention shows an empty Vec<u8> as [] at times: as bytes that is ''. */
export function normalized(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0 && BYTE_FIELDS.has(key)) return '';
    return value.map((item) => normalized(item));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, normalized(item, name)]));
}

const BYTE_FIELDS = new Set(['payload', 'covenant_proof', 'script_pubkey', 'signature']);
