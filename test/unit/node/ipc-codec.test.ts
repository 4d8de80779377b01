// The node's IPC as bytes: golden bytes of the newest generation both ways, and what is refused.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../src/core/bytes.js';
import { Reason } from '../../../src/core/reasons.js';
import { present } from '../../../src/core/assert.js';
import { IpcCodec, ipcInspect, messageHead } from '../../../src/node/ipc-codec.js';
import type { ModuleMessage } from '../../../src/node/messages.js';

interface Vector {
  kind: string;
  name: string;
  hex: string;
  value: unknown;
}

const NEWEST = '0.1.83';
const vectors = readFileSync(new URL('../../vectors/node-ipc.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Vector);

function bytesOf(hex: string): Uint8Array {
  return present(fromHex(hex), 'the vectors are hex');
}

function failureOf(body: Uint8Array, version: string = NEWEST): string {
  const decoded = IpcCodec.forVersion(version).decodeMessage(body);
  return decoded.ok ? 'decoded' : String(decoded.failure.reason);
}

describe('node-ipc › golden bytes of blvm-node 0.1.83', () => {
  it('has all of them', () => {
    expect(vectors).toHaveLength(377);
  });

  it('every line decodes to its value and is written back to its bytes', () => {
    for (const vector of vectors) {
      const inspected = ipcInspect(bytesOf(vector.hex), NEWEST);
      expect(inspected.ok ? inspected.value : inspected.failure, vector.hex).toEqual({
        kind: vector.kind,
        name: vector.name,
        value: vector.value,
        hex: vector.hex,
      });
    }
  });

  it('every truncation of every line is refused', () => {
    const codec = IpcCodec.forVersion(NEWEST);
    let accepted = 0;
    for (const { hex } of vectors) {
      const body = bytesOf(hex);
      for (let length = 0; length < body.length; length++)
        if (codec.decodeMessage(body.subarray(0, length)).ok) accepted++;
    }
    expect(accepted).toBe(0);
  });

  it('a byte behind any line is refused', () => {
    for (const { hex } of vectors)
      expect(failureOf(bytesOf(`${hex}00`)), hex).toBe(String(Reason.TrailingBytes));
  });

  it('what was decoded does not refer to the input', () => {
    const codec = IpcCodec.forVersion(NEWEST);
    for (const { hex } of vectors) {
      const body = Buffer.from(hex, 'hex');
      const decoded = codec.decodeMessage(body);
      body.fill(0xff);
      expect(decoded.ok && toHex(codec.encodeMessage(decoded.value))).toBe(hex);
    }
  });
});

describe('node-ipc › refusals', () => {
  const codec = IpcCodec.forVersion(NEWEST);
  const response = (payloadTag: string, content: string): Uint8Array =>
    bytesOf(`010000000100000000000000` + `01` + `01${payloadTag}${content}` + `00`);

  it('a block is refused by name, its absence is not', () => {
    expect(failureOf(response('01000000', '00'))).toBe('decoded');
    expect(failureOf(response('01000000', '01aabb'))).toBe(String(Reason.UnsupportedType));
    expect(failureOf(response('2e000000', ''))).toBe(String(Reason.UnsupportedType));
  });

  it('a JSON value of an Rpc invocation is refused, and its head still says whom to answer', () => {
    const body = bytesOf(
      '04000000' + '0700000000000000' + '01000000' + '0400000000000000' + '6d657368' + '00',
    );
    expect(failureOf(body)).toBe(String(Reason.UnsupportedType));
    expect(messageHead(body)).toEqual({ name: 'Invocation', correlationId: 7n });
    expect(messageHead(body.subarray(0, 11))).toBeNull();
    expect(messageHead(bytesOf('020000000000000000000000'))).toBeNull();
  });

  it('a request whose type is another than its payload is refused', () => {
    const body = bytesOf('00000000' + '0100000000000000' + '05000000' + '05000000');
    expect(failureOf(body)).toBe(String(Reason.RequestTypeMismatch));
  });

  it('an event whose type is another than its payload is refused; inside PublishEvent the node lets it pass', () => {
    const event = codec.encodeMessage({
      name: 'Event',
      value: { event_type: 'NewBlock', payload: { name: 'ModuleStarted', value: { module_name: 'a' } } },
    });
    expect(failureOf(event)).toBe(String(Reason.EventTypeMismatch));
    const published: ModuleMessage = {
      name: 'Request',
      value: {
        correlation_id: 1n,
        request_type: 'PublishEvent',
        payload: {
          name: 'PublishEvent',
          value: {
            event_type: 'NewBlock',
            payload: { name: 'ModuleStarted', value: { module_name: 'a' } },
          },
        },
      },
    };
    expect(failureOf(codec.encodeMessage(published))).toBe('decoded');
  });

  it('an unknown tag, a bad bool and a bad option are refused', () => {
    expect(failureOf(bytesOf('06000000'))).toBe(String(Reason.UnknownTag));
    expect(failureOf(bytesOf('010000000100000000000000' + '020000'))).toBe(String(Reason.BadBool));
    expect(failureOf(bytesOf('010000000100000000000000' + '010200'))).toBe(String(Reason.BadOption));
  });

  it('a length that does not fit is refused before anything is reserved for it', () => {
    const subscribe = '000000000100000000000000' + '07000000' + '08000000' + 'ffffffffffffff7f';
    expect(failureOf(bytesOf(subscribe))).toBe(String(Reason.LengthBeyondInput));
  });
});

describe('node-ipc › mesh packet events', () => {
  const codec = IpcCodec.forVersion(NEWEST);
  const event = (packet: Uint8Array, address: string): ModuleMessage => ({
    name: 'Event',
    value: {
      event_type: 'MeshPacketReceived',
      payload: { name: 'MeshPacketReceived', value: { packet_data: packet, peer_addr: address } },
    },
  });

  it('any address and packet comes back alike, by the short way and by the codecs', () => {
    const addresses = ['10.0.0.9:8333', '10.0.0.8:8333', '', 'ünï→', 'x'.repeat(128), 'y'.repeat(20_000)];
    for (const address of [...addresses, ...addresses.reverse()])
      for (const size of [0, 1, 255, 300]) {
        const message = event(new Uint8Array(size).fill(7), address);
        expect(codec.decodeMessage(codec.encodeMessage(message))).toEqual({ ok: true, value: message });
      }
  });

  it('an address that is not UTF-8 is refused', () => {
    const body = codec.encodeMessage(event(new Uint8Array(3), 'abc'));
    body[body.length - 1] = 0xff;
    expect(failureOf(body)).toBe(String(Reason.BadUtf8));
  });

  it('a packet length of 2^32 more does not pass for the small one', () => {
    const body = codec.encodeMessage(event(new Uint8Array(3), 'abc'));
    body[16] = 1;
    expect(failureOf(body)).toBe(String(Reason.LengthBeyondInput));
  });
});
