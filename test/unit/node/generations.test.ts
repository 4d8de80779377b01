// Seven wire generations as one table and its differences: the choice by version, and equality with the tables
// that were read from the published crates.
import { describe, expect, it } from 'vitest';
import { Reason } from '../../../src/core/reasons.js';
import { GENERATIONS, generationFor } from '../../../src/node/generations.js';
import { IpcCodec } from '../../../src/node/ipc-codec.js';
import type { ModuleMessage } from '../../../src/node/messages.js';
import { sharedText } from '../../support/shared.js';

type PublishedEnum = [string, (Record<string, string> | [string])?][];
type PublishedType = Record<string, string> | PublishedEnum;
interface Published {
  generations: {
    from: string;
    to: string;
    types?: Record<string, PublishedType>;
    absent?: string[];
    differs?: Record<string, PublishedType>;
  }[];
}

/** Types whose layout the tables do not give; ours was derived from golden bytes. */
const DERIVED = ['OutPoint', 'UTXO', 'BlockHeader'];

describe('node-ipc › generations', () => {
  it('a version chooses the generation that it lies in', () => {
    const cases: [string, string, string][] = [
      ['0.1.83', '0.1.81', 'exact'],
      ['0.1.81', '0.1.81', 'exact'],
      ['0.1.80', '0.1.74', 'exact'],
      ['0.1.74', '0.1.74', 'exact'],
      ['0.1.73', '0.1.56', 'exact'],
      ['0.1.55', '0.1.29', 'exact'],
      ['0.1.28', '0.1.10', 'exact'],
      ['v0.1.9', '0.1.5', 'exact'],
      ['0.1.4-rc.1', '0.1.1', 'exact'],
      ['0.1.0', '0.1.1', 'older'],
      ['0.1.84', '0.1.81', 'newer'],
      ['0.2.0', '0.1.81', 'newer'],
      ['1.0.0', '0.1.81', 'newer'],
      ['', '0.1.81', 'unreadable'],
      ['main', '0.1.81', 'unreadable'],
      ['0.1.83.4', '0.1.81', 'unreadable'],
      ['99999999999.1.1', '0.1.81', 'unreadable'],
    ];
    for (const [version, from, fit] of cases) {
      const chosen = generationFor(version);
      expect([version, chosen.generation.from, chosen.fit]).toEqual([version, from, fit]);
    }
  });

  it('leaves no gap between generations', () => {
    for (let patch = 1; patch <= 83; patch++) {
      const { generation, fit } = generationFor(`0.1.${patch}`);
      expect(fit).toBe('exact');
      expect(patch).toBeLessThanOrEqual(Number(generation.to.split('.')[2]));
    }
  });

  it('the handshake has the same bytes in all of them', () => {
    const request: ModuleMessage = {
      name: 'Request',
      value: {
        correlation_id: 1n,
        request_type: 'Handshake',
        payload: {
          name: 'Handshake',
          value: { module_id: 'blvm-mesh', module_name: 'blvm-mesh', version: '0.1.0' },
        },
      },
    };
    const ack: ModuleMessage = {
      name: 'Response',
      value: {
        correlation_id: 1n,
        success: true,
        payload: { name: 'HandshakeAck', value: { node_version: '0.1.1' } },
        error: null,
      },
    };
    for (const message of [request, ack]) {
      const seen = new Set(
        GENERATIONS.map((generation) =>
          Buffer.from(new IpcCodec(generation).encodeMessage(message)).toString('hex'),
        ),
      );
      expect(seen.size).toBe(1);
    }
  });

  it('a field that only newer nodes have reads as null and is not written', () => {
    const codec = IpcCodec.forVersion('0.1.28');
    const newer = IpcCodec.newest();
    const message: ModuleMessage = {
      name: 'Event',
      value: {
        event_type: 'PeerConnected',
        payload: {
          name: 'PeerConnected',
          value: {
            peer_addr: '10.0.0.1:8333',
            transport_type: 'tcp',
            services: 9n,
            version: 70_016,
            peer_node_id: null,
          },
        },
      },
    };
    const bytes = codec.encodeMessage(message);
    expect(bytes.length).toBe(newer.encodeMessage(message).length - 1);
    expect(codec.decodeMessage(bytes)).toEqual({ ok: true, value: message });
  });

  it('the difficulty of older nodes is a whole number of four bytes', () => {
    const codec = IpcCodec.forVersion('0.1.56');
    const message: ModuleMessage = {
      name: 'Response',
      value: {
        correlation_id: 9n,
        success: true,
        payload: {
          name: 'ChainInfo',
          value: { tip_hash: new Uint8Array(32), height: 5n, difficulty: 7, chain_work: 8n, is_synced: true },
        },
        error: null,
      },
    };
    expect(codec.decodeMessage(codec.encodeMessage(message))).toEqual({ ok: true, value: message });
    expect(codec.encodeMessage(message).length).toBe(IpcCodec.newest().encodeMessage(message).length - 4);
  });

  it('a codec knows which requests and events its node has', () => {
    const oldest = IpcCodec.forVersion('0.1.1');
    expect(oldest.hasRequest('GetTxMetadata')).toBe(false);
    expect(oldest.hasRequest('SendMeshPacketToPeer')).toBe(true);
    expect(oldest.hasEvent('PeerPayment')).toBe(false);
    expect(oldest.hasEvent('FibrePeerRegistered')).toBe(true);
    expect(IpcCodec.newest().hasEvent('FibrePeerRegistered')).toBe(false);
    expect(IpcCodec.newest().hasRequest('toString')).toBe(false);
  });

  it('a tag of a newer generation is unknown to an older one', () => {
    const body = Uint8Array.from([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x4a, 0, 0, 0]);
    const decoded = IpcCodec.forVersion('0.1.80').decodeMessage(body);
    expect(decoded.ok ? null : decoded.failure.reason).toBe(Reason.UnknownTag);
  });
});

describe('node-ipc › generations and the published tables', () => {
  const text = sharedText('spec/node-ipc.json');

  it.skipIf(text === null)('every type of every generation is the same, in the same order', () => {
    const published = JSON.parse(text ?? '{}') as Published;
    expect(published.generations).toHaveLength(GENERATIONS.length);
    let types: Record<string, PublishedType> = {};
    for (const [index, entry] of published.generations.entries()) {
      types = { ...types, ...entry.types, ...entry.differs };
      for (const name of entry.absent ?? [])
        types = Object.fromEntries(Object.entries(types).filter(([key]) => key !== name));
      const ours = GENERATIONS[index];
      expect([ours?.from, ours?.to]).toEqual([entry.from, entry.to]);
      const structs = Object.entries(ours?.structs ?? {}).filter(([name]) => !DERIVED.includes(name));
      expect(names([...structs, ...Object.entries(ours?.enums ?? {})])).toEqual(Object.keys(types).sort());
      for (const [name, shape] of structs)
        expect([name, ...Object.entries(shape)]).toEqual([name, ...Object.entries(types[name] ?? {})]);
      for (const [name, shape] of Object.entries(ours?.enums ?? {}))
        expect([
          name,
          ...Object.entries(shape).map(([variant, content]) => asPublished(variant, content)),
        ]).toEqual([
          name,
          ...(types[name] as PublishedEnum).map(([variant, content]) => [variant, ...fieldsInOrder(content)]),
        ]);
    }
  });
});

function names(entries: [string, unknown][]): string[] {
  return entries.map(([name]) => name).sort();
}

function asPublished(variant: string, content: null | string | Readonly<Record<string, string>>): unknown[] {
  return [
    variant,
    ...fieldsInOrder(content === null ? undefined : typeof content === 'string' ? [content] : content),
  ];
}

/** Nothing, the one type, or the fields as pairs, so that their order counts. */
function fieldsInOrder(content: Readonly<Record<string, string>> | [string] | undefined): unknown[] {
  if (content === undefined) return [];
  return Array.isArray(content) ? content : Object.entries(content);
}
