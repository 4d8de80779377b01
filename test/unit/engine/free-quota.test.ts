// Quotas of free and control traffic through whole nodes: a flood is refused for its own reason, and paid packets pass
// right through it, of the peer that floods and of all others. Rules: payments.md, Free traffic; architecture.md.
import { afterEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { reasonName } from '../../../src/core/reasons.js';
import type { PacketOutcome } from '../../../src/engine/packet-outcome.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { helloPacket } from '../../../src/packet/control.js';
import { encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { headerOf, ping } from '../../support/engine-cheats.js';
import { EngineNet, type EngineNetOptions } from '../../support/engine-net.js';

/** 0 to 2 are each other's neighbours; 3 is behind 2. */
const LINKS: EngineNetOptions['links'] = [
  [0, 1],
  [1, 2],
  [0, 2],
  [2, 3],
];
/** The defaults of the configuration: 1,000 packets a second, of which 200 free ones and 1 MB of them. */
const DEFAULTS = {
  packetsPerMinute: 60_000,
  freePacketsPerMinute: 12_000,
  freeBytesPerMinute: 60_000_000,
} as const;

const nets: EngineNet[] = [];

async function netOf(options: Partial<EngineNetOptions> = {}): Promise<EngineNet> {
  const net = await EngineNet.start({ nodes: 4, links: LINKS, ...DEFAULTS, ...options });
  nets.push(net);
  return net;
}

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

function told(outcome: PacketOutcome): string {
  return outcome.kind === 'refused' ? reasonName(outcome.reason) : outcome.kind;
}

/** What became of packets that are sent one right after another. */
async function flood(count: number, send: () => Promise<PacketOutcome>): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  for (const outcome of await Promise.all(Array.from({ length: count }, send))) {
    const name = told(outcome);
    outcomes[name] = (outcomes[name] ?? 0) + 1;
  }
  return outcomes;
}

/** Good free packets from one node to another: each a Bitcoin message of its own. */
const pings =
  (net: EngineNet, route: readonly [number, number], changes: Partial<MeshPacket> = {}) =>
  (): Promise<PacketOutcome> =>
    net
      .node(route[1])
      .handle(encodePacket(net.packet(route, { ...ping(net), ...changes })), net.addressOf(route[0]));

describe('free traffic > a flood of free packets', () => {
  it('passes as far as its quota reaches, is refused as FreeQuotaExceeded, and is back with time', async () => {
    const net = await netOf();
    const burst = DEFAULTS.freePacketsPerMinute / 6;
    expect(await flood(burst + 300, pings(net, [0, 1]))).toEqual({
      delivered: burst,
      FreeQuotaExceeded: 300,
    });
    expect(net.node(1).counters.countOf('packets_free')).toBe(burst);
    await net.run(1_000);
    expect(await flood(300, pings(net, [0, 1]))).toEqual({ delivered: 200, FreeQuotaExceeded: 100 });
  });

  it('is bounded in bytes as well', async () => {
    const net = await netOf();
    const payload = new Uint8Array(200_000);
    const junk = pings(net, [0, 1], { payload });
    expect(await flood(60, junk)).toEqual({ TypeMismatch: 49, FreeQuotaExceeded: 11 });
  });

  it('takes nothing from the paid packets of the peer that floods', async () => {
    const net = await netOf();
    for (let second = 0; second < 5; second++) {
      await flood(3_000, pings(net, [0, 1]));
      for (let n = 0; n < 20; n++) expect(told(await net.inject(0, 1, net.packet([0, 1])))).toBe('delivered');
      await net.run(1_000);
    }
    expect(net.node(1).accounts.received().packets).toBe(100);
  });

  it('that is only said to be free takes nothing either: junk, foreign networks, governance of nobody', async () => {
    const net = await netOf();
    const { payload, ...header } = ping(net);
    const foreign = (payload ?? new Uint8Array(24)).slice();
    foreign.set([0xf9, 0xbe, 0xb4, 0xd9]);
    for (const changes of [
      { payload: net.random.bytes(100) },
      { ...header, payload: foreign },
      { packetType: 'CommonsGovernance' as const },
      { packetType: 'StratumV2' as const },
    ]) {
      const outcomes = await flood(3_000, pings(net, [0, 1], changes));
      expect(outcomes['FreeQuotaExceeded']).toBeGreaterThanOrEqual(1_000);
      expect(outcomes['delivered']).toBeUndefined();
      expect(told(await net.inject(0, 1, net.packet([0, 1])))).toBe('delivered');
    }
  });

  it('takes nothing from other peers, free or paid', async () => {
    const net = await netOf();
    await flood(5_000, pings(net, [0, 1]));
    expect(await flood(100, pings(net, [2, 1]))).toEqual({ delivered: 100 });
    for (let n = 0; n < 20; n++) expect(told(await net.inject(2, 1, net.packet([2, 1])))).toBe('delivered');
  });

  it('leaves the peer known: its hellos have a quota of their own', async () => {
    const net = await netOf();
    for (let second = 0; second < 6; second++) {
      await flood(3_000, pings(net, [0, 1]));
      await net.run(1_000);
    }
    expect(net.areNeighbours(0, 1)).toBe(true);
    expect(net.node(1).counters.snapshot().refused).not.toHaveProperty('ControlQuotaExceeded');
  });

  it('where all is free, counts whatever a packet says it is', async () => {
    const net = await netOf({ policy: () => ({ mode: 'open' }) });
    const unpaid = pings(net, [0, 1], { packetType: 'Paid' });
    expect(await flood(2_500, unpaid)).toEqual({ delivered: 2_000, FreeQuotaExceeded: 500 });
  });

  it('that waits for a next hop that is gone leaves room to what is paid', async () => {
    const net = await netOf({ freePacketsPerMinute: 30_000, freeBytesPerMinute: 1_000_000_000_000 });
    net.cut(2, 3);
    net.cut(0, 1);
    net.cut(1, 2);
    const heavy = {
      packetType: 'BitcoinP2P',
      payload: encodeBitcoinMessage('regtest', 'block', new Uint8Array(LIMITS.PAYLOAD_BYTES - 24)),
    } as const;
    const relayed = (): Promise<PacketOutcome> =>
      net.inject(0, 2, net.packet([0, 2, 3], { ...ping(net), ...heavy }));
    let held = 0;
    let last = told(await relayed());
    for (; last === 'held'; last = told(await relayed())) held += 1;
    expect(last).toBe('Overloaded');
    expect((held + 1) * LIMITS.PAYLOAD_BYTES).toBeGreaterThan(LIMITS.PACKETS_IN_CARE_BYTES / 2 - 1_000_000);
    const paid = net.packet([0, 2, 3], { payload: new Uint8Array(LIMITS.PAYLOAD_BYTES) });
    expect(told(await net.inject(0, 2, paid))).toBe('held');
  });
});

describe('free traffic > a flood of control packets', () => {
  it('is refused as ControlQuotaExceeded, and takes nothing from free or paid packets', async () => {
    const net = await netOf();
    const hello = encodePacket(helloPacket(headerOf(net, net.idOf(0)), net.idOf(1)));
    const send = (): Promise<PacketOutcome> => net.node(1).handle(hello, net.addressOf(0));
    const outcomes = await flood(1_000, send);
    expect(outcomes['ControlQuotaExceeded']).toBeGreaterThanOrEqual(1_000 - 4 * LIMITS.CONTROL_PER_PEER);
    expect(outcomes['control']).toBeGreaterThan(4 * LIMITS.CONTROL_PER_PEER - 20);
    expect(await flood(100, pings(net, [0, 1]))).toEqual({ delivered: 100 });
    expect(told(await net.inject(0, 1, net.packet([0, 1])))).toBe('delivered');
  });
});
