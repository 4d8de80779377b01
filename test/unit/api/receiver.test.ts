// Receiving for a module beside the mesh: in order, each packet once, and nothing taken that is not read.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { HANDLER_METHOD, Receiver } from '../../../src/api/receiver.js';
import type { InvocationHandler, InvocationOutcome } from '../../../src/node/module-integration.js';
import { encodeRequest } from '../../../src/packet/module-api.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { testPacket } from '../../support/packets.js';

const PROTOCOL = 'chat-v1';

interface Bench {
  readonly receiver: Receiver;
  /** The mesh hands over the packet with this number. */
  readonly hand: (sequence: number, protocol?: string) => Promise<InvocationOutcome>;
}

function bench(): Bench {
  let handler: InvocationHandler | null = null;
  const receiver = new Receiver({
    onInvocation: (given) => {
      handler = given;
    },
    registerModuleApi: () => Promise.resolve(),
    register: () => Promise.resolve(true),
    clock: new VirtualClock(),
    ownApi: null,
  });
  const hand: Bench['hand'] = async (sequence, protocol = PROTOCOL) => {
    if (handler === null) throw new Error('nothing was offered to the node');
    const payload = new Uint8Array([sequence]);
    const metadata = { protocol, fields: new Map<string, string>() };
    const packet = encodePacket(testPacket({ sequence: BigInt(sequence), payload, metadata }));
    const params = encodeRequest('handle_mesh_packet', [packet, 'peer']);
    return handler({
      name: 'ModuleApi',
      value: { method: HANDLER_METHOD, params, caller_module_id: 'blvm-mesh' },
    });
  };
  return { receiver, hand };
}

async function take(inbox: AsyncIterableIterator<{ payload: Uint8Array }, undefined>): Promise<number> {
  const { value } = await inbox.next();
  return value?.payload[0] ?? -1;
}

describe('receiver', () => {
  it('gives a packet once, and answers as taken what comes again because its answer was late', async () => {
    const { receiver, hand } = bench();
    const inbox = await receiver.open(PROTOCOL);
    expect((await hand(1)).success).toBe(true);
    expect((await hand(1)).success).toBe(true);
    expect(await take(inbox)).toBe(1);
    expect((await hand(1)).success).toBe(true);
    expect((await hand(2)).success).toBe(true);
    expect(await take(inbox)).toBe(2);
  });

  it('takes later what there was no room for', async () => {
    const { receiver, hand } = bench();
    const inbox = await receiver.open(PROTOCOL);
    for (let sequence = 0; sequence < LIMITS.HANDLER_QUEUE; sequence++) {
      expect((await hand(sequence)).success).toBe(true);
    }
    const late = LIMITS.HANDLER_QUEUE;
    expect(await hand(late)).toEqual({ success: false, error: 'too many packets wait to be read' });
    await inbox.next();
    expect((await hand(late)).success).toBe(true);
  });

  it('refuses what nobody reads, and takes it once somebody does', async () => {
    const { receiver, hand } = bench();
    await receiver.open('another-v1');
    expect(await hand(1)).toEqual({ success: false, error: `nobody receives ${PROTOCOL} here` });
    const inbox = await receiver.open(PROTOCOL);
    expect((await hand(1)).success).toBe(true);
    expect(await take(inbox)).toBe(1);
    await inbox.return?.();
    expect((await hand(2)).success).toBe(false);
  });
});
