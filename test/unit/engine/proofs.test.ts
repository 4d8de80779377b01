// Challenges and proofs over the node's relay. Rules: docs/transport.md, Hello over the relay.
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import type { NodeId } from '../../../src/core/ids.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { Proofs } from '../../../src/engine/proofs.js';
import type { Peer } from '../../../src/engine/peers.js';
import { decodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { decodeSignedHello, type HelloBody } from '../../../src/packet/signed-hello.js';
import { identity, type TestIdentity } from '../../support/identities.js';
import { DECLARATION } from '../../support/transports.js';

interface Side {
  readonly self: TestIdentity;
  readonly proofs: Proofs;
  readonly sent: { readonly address: string; readonly packet: MeshPacket }[];
  readonly proven: { readonly address: string; readonly body: HelloBody }[];
}

function side(number: number, network = 'regtest', verdict: Reason = Reason.Accepted): Side {
  const self = identity(number);
  const sent: Side['sent'] = [];
  const proven: Side['proven'] = [];
  const proofs = new Proofs({
    identity: self,
    network,
    random: new SeededRandom(number),
    header: () => ({ self: self.nodeId, sequence: 1n, nowSeconds: 1_800_000_000 }),
    declare: () => ({ ...DECLARATION, network, nodeId: self.nodeId, addresses: [], known: [] }),
    send: (address, bytes) => {
      const decoded = decodePacket(bytes);
      if (!decoded.ok) throw new Error('a packet');
      sent.push({ address, packet: decoded.value.packet });
    },
    onProven: (address, body) => {
      if (verdict === Reason.Accepted) proven.push({ address, body });
      return verdict;
    },
  });
  return { self, proofs, sent, proven };
}

function peer(address: string, nodeId: NodeId | null = null, isProven = false): Peer {
  return {
    address,
    nodeId,
    isProven,
    lastHeardMillis: 0,
    clockAheadSeconds: null,
    packetsIn: 0,
    packetsOut: 0,
  };
}

function next({ sent }: Side): MeshPacket {
  return present(sent.shift(), 'something was sent').packet;
}

function kindOf(packet: MeshPacket): string | undefined {
  return decodeSignedHello(packet.payload)?.kind;
}

describe('proofs', () => {
  it('prove both sides to each other, the challenge ahead of the answer', () => {
    const [a, b] = [side(1), side(2)];
    a.proofs.challenge('b', b.self.nodeId);
    expect(b.proofs.take(peer('a'), next(a))).toBe(Reason.Accepted);
    expect(b.sent.map(({ packet }) => kindOf(packet))).toEqual(['Challenge', 'Hello']);
    expect(a.proofs.take(peer('b'), next(b))).toBe(Reason.Accepted);
    expect(a.proofs.take(peer('b'), next(b))).toBe(Reason.Accepted);
    expect(a.proven.map(({ body }) => body.nodeId)).toEqual([b.self.nodeId]);
    expect(b.proofs.take(peer('a'), next(a))).toBe(Reason.Accepted);
    expect(b.proven.map(({ address }) => address)).toEqual(['a']);
    expect([a.sent, b.sent]).toEqual([[], []]);
  });

  it('take an answer to a challenge once, and one that comes again from the proven peer without harm', () => {
    const [a, b] = [side(1), side(2)];
    a.proofs.challenge('b', b.self.nodeId);
    b.proofs.take(peer('a'), next(a));
    next(b);
    const hello = next(b);
    expect(a.proofs.take(peer('b'), hello)).toBe(Reason.Accepted);
    expect(a.proofs.take(peer('b'), hello)).toBe(Reason.HelloMismatch);
    expect(a.proofs.take(peer('b', b.self.nodeId, true), hello)).toBe(Reason.Accepted);
    expect(a.proven).toHaveLength(1);
  });

  it('refuse the answer to another challenge, to another node, and of another network', () => {
    const [a, b, c] = [side(1), side(2), side(3)];
    a.proofs.challenge('b', b.self.nodeId);
    b.proofs.take(peer('a'), next(a));
    next(b);
    const hello = next(b);
    // On another address another nonce was asked for.
    a.proofs.challenge('c', b.self.nodeId);
    expect(a.proofs.take(peer('c'), hello)).toBe(Reason.HelloSignature);
    c.proofs.challenge('b', b.self.nodeId);
    expect(c.proofs.take(peer('b'), hello)).toBe(Reason.HelloMismatch);
    const d = side(4, 'mainnet');
    a.sent.length = 0;
    a.proofs.challenge('d', d.self.nodeId);
    d.proofs.take(peer('a'), next(a));
    next(d);
    expect(a.proofs.take(peer('d'), next(d))).toBe(Reason.HelloOtherNetwork);
    expect(a.proven).toEqual([]);
  });

  it('refuse whoever says that it is another, and what is no signed hello', () => {
    const [a, b] = [side(1), side(2)];
    a.proofs.challenge('b', b.self.nodeId);
    b.proofs.take(peer('a'), next(a));
    next(b);
    const hello = next(b);
    expect(a.proofs.take(peer('b'), { ...hello, source: identity(9).nodeId })).toBe(Reason.HelloMismatch);
    expect(a.proofs.take(peer('b'), { ...hello, payload: new Uint8Array(5) })).toBe(Reason.HelloMismatch);
    const broken = hello.payload.slice();
    broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
    expect(a.proofs.take(peer('b'), { ...hello, payload: broken })).toBe(Reason.HelloSignature);
    // None of that used the nonce up.
    expect(a.proofs.take(peer('b'), hello)).toBe(Reason.Accepted);
  });

  it('ask by the same nonce until it is answered, and by a new one when the connection was lost', () => {
    const [a, b] = [side(1), side(2)];
    const nonce = (): string => {
      a.proofs.challenge('b', b.self.nodeId);
      return Buffer.from(next(a).payload).toString('hex');
    };
    const first = nonce();
    expect(nonce()).toBe(first);
    a.proofs.forget('b');
    expect(nonce()).not.toBe(first);
  });

  it('tell what the engine says of whoever has proven itself', () => {
    const [a, b] = [side(1, 'regtest', Reason.TooManyPeers), side(2)];
    a.proofs.challenge('b', b.self.nodeId);
    b.proofs.take(peer('a'), next(a));
    next(b);
    expect(a.proofs.take(peer('b'), next(b))).toBe(Reason.TooManyPeers);
  });
});
