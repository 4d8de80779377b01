import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { present } from '../../src/core/assert.js';
import { U64_MAX } from '../../src/core/bincode.js';
import { toHex } from '../../src/core/bytes.js';
import { METHOD_NAMES } from '../../src/packet/module-api.js';
import { MESH, MeshBed, type Driver } from '../support/mesh-bed.js';
import { endAll } from '../support/mesh-process.js';

/** Wire.md's number, not the code's. */
const API_REQUEST_BYTES = 262_144;

let bed: MeshBed;
let driver: Driver;

beforeAll(async () => {
  bed = await MeshBed.start({ nodes: 1, links: [] });
  driver = await bed.driver(0);
});

afterAll(endAll);

describe('module API › requests that are none', () => {
  const u64 = (value: bigint): Buffer => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(value);
    return buffer;
  };
  const text = (value: string): Buffer =>
    Buffer.concat([u64(BigInt(value.length)), Buffer.from(value, 'latin1')]);
  const of = (...parts: readonly (Buffer | number)[]): Buffer =>
    Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : part)));
  const ID = Buffer.alloc(32, 5);

  it.each<readonly [method: string, field: string, request: Buffer]>([
    ['send_packet', 'destination', Buffer.alloc(31)],
    ['send_packet', 'payload', of(ID, u64(10n), Buffer.alloc(9))],
    ['send_packet', 'payload', of(ID, u64(U64_MAX))],
    ['send_packet', 'payment_proof', of(ID, u64(0n), 2)],
    ['send_packet', 'payment_proof', of(ID, u64(0n), 1, 9, 0, 0, 0)],
    ['send_packet', 'protocol_id', of(ID, u64(0n), 0, 1, text('\xff\xfe'))],
    ['send_packet', 'ttl', of(ID, u64(0n), 0, 0, 1, 0)],
    ['discover_route', 'max_hops', of(ID, 2)],
    ['discover_route', 'timeout_seconds', of(ID, 0)],
    ['register_protocol_handler', 'protocol_id', of(u64(3n), 1)],
    ['register_protocol_handler', 'handler_method', text('onion-v1')],
    ['handle_mesh_packet', 'packet', of(u64(1n))],
    ['handle_mesh_packet', 'address', of(u64(0n), text('\xc0'))],
    ['quote_route_fee', 'base_fee_sats', of(ID, 1)],
    ['request_hop_invoice', 'amount_msats', ID],
    ['request_hop_invoice', 'expiry_seconds', of(ID, u64(1n), 7)],
    ['poll_local_deliveries', 'protocol_id', of(3)],
    ['poll_local_deliveries', 'max_packets', of(0, 1, 0)],
  ])('%s: the error names the field %s', async (method, field, request) => {
    const error = await errorOf(driver.raw(method, request));
    expect(error).toMatch(new RegExp(`: [A-Z][A-Za-z0-9]+: ${method}: ${field}[ :.]`));
  });

  it('every method refuses bytes behind its request', async () => {
    const whole: Readonly<Record<string, Buffer>> = {
      send_packet: of(ID, u64(0n), 0, 0, 0),
      discover_route: of(ID, 0, 0),
      register_protocol_handler: of(text('a'), text('b')),
      handle_mesh_packet: of(u64(0n), u64(0n)),
      quote_route_fee: of(ID, u64(0n)),
      request_hop_invoice: of(ID, u64(0n), 0),
      poll_local_deliveries: of(0, 0),
    };
    for (const method of METHOD_NAMES) {
      const request = of(whole[method] ?? Buffer.alloc(0), 0);
      expect(await errorOf(driver.raw(method, request))).toContain(`TrailingBytes: ${method}: `);
    }
  });

  it('takes requests of 262,144 bytes and refuses larger ones', async () => {
    const rest = of(ID, u64(0n), 0, 0, 0).length;
    const largest = of(
      ID,
      u64(BigInt(API_REQUEST_BYTES - rest)),
      Buffer.alloc(API_REQUEST_BYTES - rest),
      0,
      0,
      0,
    );
    expect(largest).toHaveLength(API_REQUEST_BYTES);
    const response = await driver.raw('send_packet', largest);
    expect(response[0]).toBe(0);
    expect(await errorOf(driver.raw('send_packet', of(largest, 0)))).toContain(
      'RequestTooLarge: send_packet',
    );
    expect(await errorOf(driver.raw('get_node_id', Buffer.alloc(1_000_000)))).toContain('RequestTooLarge');
  });

  it('max_packets is from 1 to 64', async () => {
    for (const maxPackets of [0n, 65n, U64_MAX]) {
      const poll = driver.call('poll_local_deliveries', { protocolId: null, maxPackets });
      expect(await errorOf(poll)).toMatch(/BadLimit: .*max_packets.* 1 to 64/);
    }
    expect(await driver.call('poll_local_deliveries', { protocolId: null, maxPackets: 1n })).toEqual([]);
  });

  it('an unknown method is named', async () => {
    const connection = present(
      bed.at(0).node.modules.find(MESH, () => true),
      'the module is connected',
    );
    for (const method of ['no_such_method', 'toString', '', '__proto__']) {
      const value = { method, params: new Uint8Array(), caller_module_id: 'driver' };
      const result = await connection.invoke({ name: 'ModuleApi', value }, 5_000);
      expect(result).toMatchObject({ success: false, payload: null });
      expect(result.error).toBe(`UnknownMethod: the mesh has no method '${method}'`);
    }
  });

  it('many at once are all answered', async () => {
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, n) =>
        n % 2 === 0
          ? driver.raw('get_node_id', new Uint8Array()).then(toHex)
          : errorOf(driver.raw('send_packet', new Uint8Array(n % 32))),
      ),
    );
    for (const [n, answer] of answers.entries()) {
      if (n % 2 === 0) expect(answer).toBe(toHex(bed.at(0).nodeId));
      else expect(answer).toContain('Truncated: send_packet: destination');
    }
  });
});

/** The text of the error that a call ends with. */
async function errorOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('the call succeeded');
}
