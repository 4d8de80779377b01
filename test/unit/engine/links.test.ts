// The ways to the neighbours, over real sockets: what is held back, what is told of room, what hellos declare.
// Rules: docs/transport.md (Order, Hello), src/engine/links.ts.
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/config.js';
import { systemClock } from '../../../src/core/clock.js';
import { nodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { Links, type LinksParts } from '../../../src/engine/links.js';
import type { PacketOutcome } from '../../../src/engine/packet-outcome.js';
import { PeerBook } from '../../../src/engine/peers.js';
import { Counters } from '../../../src/metrics/counters.js';
import type { PacketJudge } from '../../../src/pool/judge-port.js';
import { NetworkGroups } from '../../../src/routing/network-group.js';
import type { Session } from '../../../src/transport/session.js';
import { TlsNet } from '../../../src/transport/tls-net.js';
import { identity } from '../../support/identities.js';
import { endAll, endLater, waitFor } from '../../support/mesh-process.js';
import { freePort } from '../../../src/dev/free-port.js';
import { candidate, DECLARATION, startTransport, type TestNode } from '../../support/transports.js';

afterEach(endAll);

const SELF = identity(1);
const PAYEE = new Uint8Array(33).fill(2);

interface Bed {
  readonly links: Links;
  readonly counters: Counters;
  /** What came, and from where. */
  readonly taken: { readonly bytes: Uint8Array; readonly from: string }[];
  readonly rooms: string[];
  readonly relayed: string[];
  readonly declared: { readonly family: number; readonly arePayeesOther: boolean }[];
  /** What becomes of packets, and whether there is room: changed by tests. */
  readonly state: {
    outcome: PacketOutcome;
    outcomeOf: ((bytes: Uint8Array) => PacketOutcome) | null;
    isCrowded: boolean;
    isFull: boolean;
    onRoom: (() => void) | null;
  };
  readonly port: number;
}

async function bed(): Promise<Bed> {
  const port = await freePort();
  const text = `network = "regtest"\nlisten_addr = "127.0.0.1:${port}"\n`;
  const { config } = parseConfig({ text, fileName: 'test', env: {} });
  const taken: { bytes: Uint8Array; from: string }[] = [];
  const [rooms, relayed]: [string[], string[]] = [[], []];
  const declared: { family: number; arePayeesOther: boolean }[] = [];
  const state: Bed['state'] = {
    outcome: { kind: 'forwarded' },
    outcomeOf: null,
    isCrowded: false,
    isFull: false,
    onRoom: null,
  };
  const judge: PacketJudge = {
    judge: () => undefined,
    readInvoices: () => Promise.resolve([]),
    isFull: () => state.isFull,
    onRoom: (_, onRoom) => (state.onRoom = onRoom),
    updatePolicy: () => undefined,
    stats: () => {
      throw new Error('nobody asks');
    },
    close: () => Promise.resolve(),
  };
  const random = new SeededRandom(1);
  const peers = new PeerBook({
    self: SELF.nodeId,
    clock: systemClock,
    random,
    maxPeers: 8,
    staticPeers: new Set(),
    packetsPerMinute: 60_000,
    freePacketsPerMinute: 60_000,
    freeBytesPerMinute: 60_000_000,
    helloIntervalMillis: 30_000,
    sendHello: () => undefined,
    challenge: null,
    onMoved: () => undefined,
    onJoined: () => Reason.Accepted,
    onLost: (nodeId, address) => {
      links.neighbourLost(nodeId, address);
    },
    onReturned: () => undefined,
  });
  const counters = new Counters();
  const manager: ReturnType<LinksParts['manager']> = {
    wayIn: (from, onOutcome) => (bytes) => {
      taken.push({ bytes, from });
      onOutcome(state.outcomeOf?.(bytes) ?? state.outcome);
    },
    get isCrowded() {
      return state.isCrowded;
    },
    roomAt: (address) => rooms.push(address),
  };
  const links: Links = new Links({
    identity: SELF,
    config: () => config,
    clock: systemClock,
    random,
    log: { log: () => undefined },
    counters,
    groups: new NetworkGroups(),
    judge,
    ownPayee: null,
    relay: {
      send: (address) => {
        relayed.push(address);
        return Promise.resolve();
      },
    },
    header: () => ({ self: SELF.nodeId, sequence: 1n, nowSeconds: systemClock.unixSeconds() }),
    peers: () => peers,
    manager: () => manager,
    onDeclared: (_, body, arePayeesOther) => {
      declared.push({ family: body?.family.length ?? 0, arePayeesOther });
    },
  });
  await links.start();
  endLater(() => links.close());
  return { links, counters, taken, rooms, relayed, declared, state, port };
}

/** A peer, and this node's connection to it. */
async function peerOf(
  { links, port }: Bed,
  number: number,
  payees: readonly Uint8Array[] = [],
): Promise<{ readonly node: TestNode; readonly far: Session; readonly near: Session }> {
  const own = identity(number);
  const node = await startTransport(own, new TlsNet(own.privateKey), systemClock, {
    peers: [candidate(`127.0.0.1:${port}`)],
    declare: () => ({ ...DECLARATION, payees }),
    atEndOfTurn: (callback) => void setImmediate(callback),
  });
  endLater(() => node.transport.close());
  const far = await waitFor('the peer is connected', () => node.joined[0] ?? null);
  const key = nodeKey(own.nodeId);
  const near = await waitFor('it is here', () => {
    return links.transport?.peers.find(({ nodeId }) => nodeKey(nodeId) === key) ?? null;
  });
  return { node, far, near };
}

/** Gives a session packets until it has taken so many. */
async function sendAll(session: Session, count: number, bytes = 300): Promise<void> {
  for (let i = 0; i < count; i++) {
    await waitFor('room', () => session.send(new Uint8Array(bytes).fill(i), ''));
  }
}

describe('links › back-pressure', () => {
  it('does not read a peer for a moment whose packets are all above its quota, and counts that', async () => {
    const here = await bed();
    const { far, near } = await peerOf(here, 2);
    here.state.outcome = { kind: 'refused', reason: Reason.FreeQuotaExceeded };
    const packets = 3 * LIMITS.TRANSPORT_THROTTLE_REFUSALS;
    await sendAll(far, packets);
    await waitFor('all are taken in the end', () => here.taken.length === packets);
    expect(here.counters.countOf('links_throttled')).toBeGreaterThanOrEqual(1);
    await waitFor('it is read again', () => !near.isPaused);
    // One that is accepted in between begins the count anew.
    const before = here.counters.countOf('links_throttled');
    for (let i = 0; i < packets; i += 100) {
      here.state.outcome = { kind: 'forwarded' };
      await sendAll(far, 1);
      await waitFor('it came', () => here.taken.length === packets + 1 + i);
      here.state.outcome = { kind: 'refused', reason: Reason.FreeQuotaExceeded };
      await sendAll(far, 99);
      await waitFor('they came', () => here.taken.length === packets + 100 + i);
    }
    expect(here.counters.countOf('links_throttled')).toBe(before);
  });

  it('reads a peer no further whose queue is full, until there is room', async () => {
    const here = await bed();
    const { far, near } = await peerOf(here, 2);
    here.state.isFull = true;
    await sendAll(far, 1);
    await waitFor('it is held back', () => near.isPaused && here.state.onRoom !== null);
    const before = here.taken.length;
    await sendAll(far, 500, 2_000);
    here.state.isFull = false;
    expect(here.taken.length).toBeLessThan(before + 200);
    here.state.onRoom?.();
    await waitFor('all come', () => here.taken.length === before + 500);
  });

  it('still reads a part of each connection while there is hardly any room for free packets', async () => {
    const here = await bed();
    const { far } = await peerOf(here, 2);
    here.state.isCrowded = true;
    await sendAll(far, 200, 1_000);
    // It stays crowded: what is paid must come through all the same.
    await waitFor('all come', () => here.taken.length === 200);
  });

  it('says that a link is full, holds back who fills it, and tells when there is room', async () => {
    const here = await bed();
    const slow = await peerOf(here, 2);
    const source = await peerOf(here, 3);
    slow.far.pause();
    const packet = new Uint8Array(60_000).fill(1);
    const give = (): unknown => here.links.send(slow.near.address, packet, source.near.address);
    await waitFor('it is full', () => give() === 'full', 20_000);
    expect(source.near.isPaused).toBe(true);
    // Whoever takes too long is not waited for, and a second refusal holds up nobody.
    await waitFor('the source is read again', () => !source.near.isPaused);
    expect(give()).toBe('full');
    expect(source.near.isPaused).toBe(false);
    expect(here.counters.refusedFor(Reason.LinkFull)).toBeGreaterThanOrEqual(2);
    expect(here.rooms).toEqual([]);
    slow.far.resume();
    await waitFor('there is room', () => here.rooms.length > 0);
    expect(here.rooms[0]).toBe(slow.near.address);
    expect(give()).toBe('taken');
  }, 30_000);

  it('cuts off a peer whose packets are broken, and not one that asks for what is not there', async () => {
    const here = await bed();
    const { far, node } = await peerOf(here, 2);
    here.state.outcome = { kind: 'refused', reason: Reason.RouteUnknown };
    await sendAll(far, 1_000, 100);
    await waitFor('all came', () => here.taken.length === 1_000);
    expect(node.lost).toEqual([]);
    here.state.outcome = { kind: 'refused', reason: Reason.Truncated };
    for (let i = 0; i < 2_000 && node.lost.length === 0; i++) {
      far.send(new Uint8Array(100), '');
      if (i % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor('it is cut off', () => node.lost.length === 1);
    await waitFor('it is counted', () => here.counters.refusedFor(Reason.PeerMisbehaved) === 1);
  });
});

describe('links › a peer that floods junk', () => {
  it('loses its connection, and an honest peer loses no packet', async () => {
    const here = await bed();
    const flood = await peerOf(here, 2);
    const good = await peerOf(here, 3);
    const junk = new Uint8Array(200).fill(9);
    here.state.outcomeOf = (bytes) =>
      bytes[0] === 9 ? { kind: 'refused', reason: Reason.Truncated } : { kind: 'forwarded' };
    let honest = 0;
    for (let turn = 0; turn < 500 && flood.node.lost.length === 0; turn++) {
      for (let i = 0; i < 100; i++) flood.far.send(junk, '');
      if (good.far.send(new Uint8Array(300).fill(1), '')) honest += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await waitFor('the flood has ended', () => flood.node.lost.length === 1);
    const isHonest = ({ from }: { readonly from: string }): boolean => from === good.near.address;
    await waitFor('all honest packets', () => here.taken.filter(isHonest).length === honest);
    expect(honest).toBeGreaterThan(0);
    expect(here.counters.refusedFor(Reason.PeerMisbehaved)).toBe(1);
    // What was looked at of it: what may come at once, what may come in the meantime, and no more.
    const bad = here.taken.length - honest;
    process.stdout.write(`junk flood: cut off after ${bad} packets, ${honest} honest ones came through\n`);
    expect(good.node.lost).toEqual([]);
    // It is known by its id: it does not come back under it.
    await waitFor('its next try is refused', () => here.counters.refusedFor(Reason.PeerBanned) >= 1);
  }, 30_000);
});

describe('links › ways', () => {
  it('sends over the relay what is no address of the transport, and says what is gone', async () => {
    const here = await bed();
    expect(await here.links.send('10.0.0.1:8333', new Uint8Array(10))).toBeUndefined();
    expect(here.relayed).toEqual(['10.0.0.1:8333']);
    await expect(here.links.send('tls://127.0.0.1:1', new Uint8Array(10))).rejects.toMatchObject({
      code: 'PEER_UNKNOWN',
    });
    // Nobody waits for the end of a control packet.
    here.links.sendControl('tls://127.0.0.1:1', new Uint8Array(10));
  });

  it('knows what neighbours declare while they are there, and tells of payees that are other', async () => {
    const here = await bed();
    const { node, far } = await peerOf(here, 2, [PAYEE]);
    await peerOf(here, 3);
    const key = nodeKey(identity(2).nodeId);
    expect(here.links.declared(identity(2).nodeId)?.perHopMsat).toBe(DECLARATION.perHopMsat);
    expect(here.links.declaredPayees().get(key)).toEqual(['02'.repeat(33)]);
    expect(here.declared).toEqual([
      { family: 0, arePayeesOther: true },
      { family: 0, arePayeesOther: false },
    ]);
    far.close(Reason.ConnectionLost);
    await waitFor('it is gone', () => here.links.declared(identity(2).nodeId) === null);
    expect(node.lost).toHaveLength(1);
    expect(here.declared[2]).toEqual({ family: 0, arePayeesOther: true });
    expect(here.links.declaredPayees().has(key)).toBe(false);
  });
});
