import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { DeliveryDesk, type HandlerCall } from '../../../src/engine/delivery.js';
import type { MeshPacket } from '../../../src/packet/packet.js';

const id = (byte: number): NodeId => nodeIdOf(new Uint8Array(32).fill(byte));

function packetOf(protocol: string, payload: number): MeshPacket {
  return {
    version: 1,
    packetType: 'Paid',
    source: id(1),
    destination: id(2),
    route: [id(1), id(2)],
    sequence: 1n,
    timestamp: 0n,
    paymentProof: null,
    payload: new Uint8Array([payload]),
    metadata: { protocol, fields: new Map() },
  };
}

function deskOf(call: HandlerCall): { desk: DeliveryDesk; clock: VirtualClock; settle: () => Promise<void> } {
  const clock = new VirtualClock();
  const desk = new DeliveryDesk(call, clock, { log: () => undefined });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  return { desk, clock, settle };
}

const give = (desk: DeliveryDesk, protocol: string, payload: number): Reason =>
  desk.deliver(packetOf(protocol, payload), new Uint8Array([payload]), 'peer');

describe('delivery › handlers', () => {
  it('calls the registered module in order, one packet at a time', async () => {
    const calls: string[] = [];
    let running = 0;
    const { desk, settle } = deskOf(async (moduleId, method, bytes, address) => {
      expect(++running).toBe(1);
      await Promise.resolve();
      running -= 1;
      calls.push(`${moduleId}.${method}(${String(bytes[0])}) from ${address}`);
    });
    desk.register('onion-v1', 'onion', 'onPacket');
    for (const payload of [1, 2, 3]) expect(give(desk, 'onion-v1', payload)).toBe(Reason.Accepted);
    await settle();
    expect(calls).toEqual([1, 2, 3].map((n) => `onion.onPacket(${n}) from peer`));
    expect(desk.stats().delivered).toBe(3);
  });

  it('tries a failing handler again, then keeps the packet to be polled', async () => {
    let calls = 0;
    const { desk, clock, settle } = deskOf(() => {
      calls += 1;
      return Promise.reject(new Error('not now'));
    });
    desk.register('onion-v1', 'onion', 'onPacket');
    give(desk, 'onion-v1', 7);
    for (let i = 0; i < 20; i++) {
      await settle();
      clock.advance(LIMITS.RESEND_MAX_MILLIS);
    }
    expect(calls).toBe(LIMITS.HANDLER_TRIES);
    expect(desk.poll(null, 10)).toEqual([
      { protocolId: 'onion-v1', payload: new Uint8Array([7]), source: id(1) },
    ]);
    expect(desk.poll(null, 10)).toEqual([]);
  });

  it('a handler that fails all the time is called ever less often, and nothing is lost', async () => {
    const calls: number[] = [];
    const { desk, clock, settle } = deskOf(() => {
      calls.push(clock.monotonicMillis());
      return Promise.reject(new Error('not now'));
    });
    const run = async (seconds: number): Promise<void> => {
      for (let step = 0; step < 10 * seconds; step++) {
        await settle();
        clock.advance(100);
      }
    };
    desk.register('onion-v1', 'onion', 'onPacket');
    for (let payload = 0; payload < 50; payload++) give(desk, 'onion-v1', payload);
    await run(600);
    const gaps = calls.slice(1).map((at, index) => at - (calls[index] ?? 0));
    expect(gaps.every((gap, index) => gap >= (gaps[index - 1] ?? 0))).toBe(true);
    expect(gaps.at(-1)).toBe(LIMITS.HANDLER_PAUSE_MILLIS);
    expect(calls.length).toBeLessThan(40);
    // A module that is back says so, and gets what had been given up too.
    desk.register('onion-v1', 'onion', 'onPacket');
    desk.moduleGone('onion');
    await run(60);
    const left = desk.poll('onion-v1', 100).map(({ payload }) => payload[0] ?? 0);
    expect(left.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n));
  });

  it('what does not fit into the queue of a handler waits: at the sender, or in the inbox where it fails', async () => {
    const { desk, clock, settle } = deskOf(() => Promise.reject(new Error('not now')));
    desk.register('onion-v1', 'onion', 'onPacket');
    for (let n = 0; n < LIMITS.HANDLER_QUEUE; n++)
      expect(give(desk, 'onion-v1', n % 256)).toBe(Reason.Accepted);
    expect(give(desk, 'onion-v1', 1)).toBe(Reason.InboxFull);
    for (let tries = 0; tries < LIMITS.HANDLER_TRIES; tries++) {
      await settle();
      clock.advance(LIMITS.HANDLER_PAUSE_MILLIS);
    }
    await settle();
    while (desk.stats().inbox < 2) give(desk, 'onion-v1', 2);
    expect(give(desk, 'onion-v1', 3)).toBe(Reason.Accepted);
  });

  it('replaces a handler, and hands over what had come before it', async () => {
    const calls: string[] = [];
    const { desk, settle } = deskOf((moduleId, method) => {
      calls.push(`${moduleId}.${method}`);
      return Promise.resolve();
    });
    give(desk, 'onion-v1', 1);
    expect(desk.stats().inbox).toBe(1);
    desk.register('onion-v1', 'first', 'a');
    await settle();
    desk.register('onion-v1', 'first', 'b');
    give(desk, 'onion-v1', 2);
    await settle();
    expect(calls).toEqual(['first.a', 'first.b']);
    expect(desk.stats().inbox).toBe(0);
  });

  it('a protocol stays with its module while that answers; when it is gone another may have it', async () => {
    const calls: string[] = [];
    const { desk, settle } = deskOf((moduleId) => {
      calls.push(moduleId);
      return Promise.resolve();
    });
    desk.register('onion-v1', 'first', 'a');
    desk.register('pool-v1', 'first', 'a');
    expect(desk.register('onion-v1', 'second', 'b')).toBe(Reason.HandlerTaken);
    give(desk, 'onion-v1', 1);
    await settle();
    desk.moduleGone('first');
    desk.moduleGone('nobody');
    give(desk, 'onion-v1', 2);
    expect(desk.stats()).toMatchObject({ handlers: 0, inbox: 1 });
    expect(desk.register('onion-v1', 'second', 'b')).toBe(Reason.Accepted);
    await settle();
    expect(calls).toEqual(['first', 'second']);
  });

  it('what waits for a module that is gone goes to the inbox, in order', async () => {
    const { desk, settle, clock } = deskOf(() => Promise.reject(new Error('not now')));
    desk.register('onion-v1', 'first', 'a');
    for (const payload of [1, 2, 3]) give(desk, 'onion-v1', payload);
    await settle();
    desk.moduleGone('first');
    clock.advance(LIMITS.RESEND_MAX_MILLIS);
    await settle();
    expect(desk.poll('onion-v1', 10).map(({ payload }) => payload[0])).toEqual([1, 2, 3]);
  });

  it('a module that does not answer any more loses its protocol to one that asks for it', async () => {
    const calls: string[] = [];
    const { desk, clock, settle } = deskOf((moduleId) => {
      calls.push(moduleId);
      return moduleId === 'first' ? Promise.reject(new Error('dead')) : Promise.resolve();
    });
    desk.register('onion-v1', 'first', 'a');
    give(desk, 'onion-v1', 1);
    for (let tries = 0; tries < LIMITS.HANDLER_TRIES; tries++) {
      await settle();
      clock.advance(LIMITS.RESEND_MAX_MILLIS);
    }
    await settle();
    expect(desk.register('onion-v1', 'second', 'b')).toBe(Reason.Accepted);
    await settle();
    expect(calls.at(-1)).toBe('second');
    expect(desk.stats().inbox).toBe(0);
  });
});

describe('delivery › inbox', () => {
  it('keeps packets without a handler, and gives them out by protocol, oldest first', () => {
    const { desk } = deskOf(() => Promise.resolve());
    for (const [protocol, payload] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ] as const) {
      give(desk, protocol, payload);
    }
    expect(desk.poll('a', 1).map(({ payload }) => payload[0])).toEqual([1]);
    expect(desk.poll(null, 10).map(({ payload }) => payload[0])).toEqual([2, 3]);
  });

  it('is bounded: a full inbox and a full handler queue say so', () => {
    const { desk } = deskOf(() => new Promise(() => undefined));
    for (let i = 0; i < LIMITS.INBOX_PACKETS; i++) expect(give(desk, 'a', 1)).toBe(Reason.Accepted);
    expect(give(desk, 'a', 1)).toBe(Reason.InboxFull);
    desk.register('b', 'slow', 'onPacket');
    for (let i = 0; i < LIMITS.HANDLER_QUEUE; i++) expect(give(desk, 'b', 1)).toBe(Reason.Accepted);
    expect(give(desk, 'b', 1)).toBe(Reason.InboxFull);
  });

  it('is bounded by bytes: of one handler, and of all together', async () => {
    const large = new Uint8Array(LIMITS.PACKET_BYTES);
    const { desk, clock, settle } = deskOf((moduleId) =>
      moduleId === 'quick' ? Promise.resolve() : new Promise(() => undefined),
    );
    const deliver = (protocol: string): Reason => desk.deliver(packetOf(protocol, 1), large, 'peer');
    const fit = Math.floor(LIMITS.HANDLER_QUEUE_BYTES / large.length);
    let taken = 0;
    for (let n = 0; taken < LIMITS.HANDLER_QUEUES_BYTES - LIMITS.HANDLER_QUEUE_BYTES; n++) {
      desk.register(`p${n}`, 'slow', 'onPacket');
      for (let i = 0; i < fit; i++) expect(deliver(`p${n}`)).toBe(Reason.Accepted);
      expect(deliver(`p${n}`)).toBe(Reason.InboxFull);
      taken += fit * large.length;
    }
    desk.register('quick', 'quick', 'onPacket');
    const left = Math.floor((LIMITS.HANDLER_QUEUES_BYTES - taken) / large.length);
    for (let i = 0; i < left; i++) expect(deliver('quick')).toBe(Reason.Accepted);
    expect(deliver('quick')).toBe(Reason.InboxFull);
    await settle();
    clock.advance(1);
    expect(deliver('quick')).toBe(Reason.Accepted);
  });

  it('moves to a new handler as much as fits, in order, and keeps the rest', () => {
    const large = new Uint8Array(LIMITS.PACKET_BYTES);
    const { desk } = deskOf(() => new Promise(() => undefined));
    const fit = Math.floor(LIMITS.HANDLER_QUEUE_BYTES / large.length);
    for (let n = 0; n < fit + 3; n++) desk.deliver(packetOf('a', n), large, 'peer');
    desk.register('a', 'slow', 'onPacket');
    expect(desk.poll('a', 10).map(({ payload }) => payload[0])).toEqual([fit, fit + 1, fit + 2]);
  });

  it('registers no more handlers than it may', () => {
    const { desk } = deskOf(() => Promise.resolve());
    for (let i = 0; i < LIMITS.HANDLERS; i++) expect(desk.register(`p${i}`, 'm', 'h')).toBe(Reason.Accepted);
    expect(desk.register('one more', 'm', 'h')).toBe(Reason.BadLimit);
    expect(desk.register('p0', 'm', 'another')).toBe(Reason.Accepted);
  });
});
