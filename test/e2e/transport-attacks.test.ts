// Attacks on the direct transport over real sockets, with OpenSSL's s_client as an independent client: each has a bounded,
// counted outcome, and an honest peer goes on meanwhile. Rules: docs/transport.md (Connection, Hello, Limits).
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { LIMITS } from '../../src/core/limits.js';
import { Reason } from '../../src/core/reasons.js';
import { signedHelloPacket } from '../../src/packet/control.js';
import { encodePacket } from '../../src/packet/packet.js';
import { NetworkGroups } from '../../src/routing/network-group.js';
import { ACCEPT_LIMITS } from '../../src/transport/accept-gate.js';
import { identityCertificate } from '../../src/transport/certificate.js';
import { sayHello } from '../../src/transport/greeting.js';
import type { TransportOptions } from '../../src/transport/options.js';
import { TlsNet } from '../../src/transport/tls-net.js';
import { identity } from '../support/identities.js';
import { endAll, endLater, waitFor } from '../support/mesh-process.js';
import { openssl, sClient, withoutOpenssl } from '../support/openssl.js';
import { candidate, DECLARATION, startTransport, type TestNode } from '../support/transports.js';

const directory = mkdtempSync(join(tmpdir(), 'blvm-mesh-attack-'));
afterEach(endAll);
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** The limits of one address would end a test that plays many peers at one. */
const ROOMY = {
  ...ACCEPT_LIMITS,
  perAddress: 512,
  perGroup: 512,
  addressPerSecond: 1_000,
  groupPerSecond: 1_000,
};
const END_OF_TURN = {
  atEndOfTurn: (callback: () => void) => {
    setImmediate(callback);
  },
};
const ALPN = ['-alpn', 'blvm-mesh/1'];

async function victim(
  changes: Partial<TransportOptions> = {},
): Promise<{ readonly node: TestNode; readonly port: number }> {
  const node = await startTransport(identity(1), new TlsNet(identity(1).privateKey), systemClock, {
    ...END_OF_TURN,
    acceptLimits: ROOMY,
    listen: { host: '127.0.0.1', port: 0 },
    ...changes,
  });
  endLater(() => node.transport.close());
  return { node, port: node.transport.port ?? 0 };
}

async function honest(port: number, number = 2): Promise<TestNode> {
  const peers = [candidate(`127.0.0.1:${port}`)];
  const own = identity(number);
  const node = await startTransport(own, new TlsNet(own.privateKey), systemClock, { ...END_OF_TURN, peers });
  endLater(() => node.transport.close());
  await waitFor('the honest peer is connected', () => node.joined.length === 1);
  return node;
}

/** Certificate and key of an identity, as files for openssl. */
function files(number: number): readonly string[] {
  const { privateKey } = identity(number);
  const [cert, key] = [join(directory, `${number}.pem`), join(directory, `${number}.key`)];
  writeFileSync(cert, identityCertificate(privateKey));
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return ['-cert', cert, '-key', key];
}

function foreign(name: string, ...args: readonly string[]): readonly string[] {
  const [cert, key] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  openssl(['req', '-x509', '-nodes', '-subj', '/CN=x', '-keyout', key, '-out', cert, ...args]);
  return ['-cert', cert, '-key', key];
}

function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length, false);
  frame.set(body, 4);
  return frame;
}

async function counted(node: TestNode, reason: Reason, times = 1): Promise<void> {
  await waitFor(
    `reason ${reason} is counted`,
    () => node.refused.filter((one) => one === reason).length >= times,
  );
}

describe.skipIf(withoutOpenssl)('attacks › TLS, by openssl s_client', () => {
  it('speaks TLS 1.3 with its Ed25519 key and one certificate, and nothing older', async () => {
    const { node, port } = await victim();
    const good = await sClient(port, [...files(3), ...ALPN, '-tls1_3'], { millis: 1_500 });
    expect(good.output).toContain('TLSv1.3');
    expect(good.output).toMatch(/Peer signature type: Ed25519/i);
    expect(good.output).toContain('ALPN protocol: blvm-mesh/1');
    const old = await sClient(port, [...files(3), ...ALPN, '-tls1_2']);
    expect(old.output).toMatch(/alert protocol version|unsupported protocol|no protocols/);
    await counted(node, Reason.HandshakeFailed);
    expect(node.joined).toEqual([]);
  });

  it('takes no RSA and no ECDSA certificate, none at all, and none of another key', async () => {
    const { node, port } = await victim();
    const clients = [
      foreign('rsa', '-newkey', 'rsa:2048'),
      foreign('ec', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'),
      [],
    ];
    for (const args of clients) await sClient(port, [...args, ...ALPN], { millis: 1_500 });
    await waitFor('all are refused', () => node.refused.length >= clients.length);
    const reasons = new Set<Reason>([Reason.HandshakeFailed, Reason.CertificateForeign]);
    expect(node.refused.every((reason) => reasons.has(reason))).toBe(true);
    // The certificate of one with the key of another does not even load: nobody can prove what he does not have.
    const [, cert = ''] = files(4);
    const [, , , key = ''] = files(5);
    const mixed = await sClient(port, ['-cert', cert, '-key', key, ...ALPN]);
    expect(mixed.output).toMatch(/key values mismatch/);
    expect(node.joined).toEqual([]);
  });

  it('ends a connection without its protocol, and one whose first frame is no hello', async () => {
    const { node, port } = await victim();
    await sClient(port, [...files(3)], { millis: 1_500 });
    await sClient(port, [...files(3), '-alpn', 'h2'], { millis: 1_500 });
    await counted(node, Reason.HandshakeFailed, 2);
    await sClient(port, [...files(3), ...ALPN], { stdin: framed(new Uint8Array(100)), millis: 1_500 });
    await counted(node, Reason.HelloMissing);
  });

  it('refuses a stolen id and a hello of another connection', async () => {
    const { node, port } = await victim();
    const [self, owner] = [identity(1), identity(7)];
    const body = { ...DECLARATION, network: 'regtest', nodeId: owner.nodeId, addresses: [], known: [] };
    const scope = {
      kind: 'tls-exporter',
      // Of some other session: nobody can know this one's before it is there.
      binding: new Uint8Array(createHash('sha256').update('another session').digest()),
      speaker: owner.nodeId,
      audience: self.nodeId,
    } as const;
    const header = { self: owner.nodeId, sequence: 1n, nowSeconds: systemClock.unixSeconds() };
    const replayed = sayHello(body, scope, owner.privateKey);
    const frame = framed(encodePacket(signedHelloPacket(header, self.nodeId, replayed)));
    // By its owner, on a fresh connection; and by a thief, under his own certificate.
    await sClient(port, [...files(7), ...ALPN], { stdin: frame, millis: 1_500 });
    await counted(node, Reason.HelloSignature);
    await sClient(port, [...files(6), ...ALPN], { stdin: frame, millis: 1_500 });
    await counted(node, Reason.HelloMismatch);
    expect(node.joined).toEqual([]);
  });

  it('renegotiates with nobody: TLS 1.3 has none, and who asks for it only loses its own time', async () => {
    const { node, port } = await victim();
    const peer = await honest(port);
    // R asks for a renegotiation, K and k for new keys of the session (RFC 8446, 4.6.3).
    const commands = new TextEncoder().encode(`R\n${'K\nk\n'.repeat(20)}`);
    const asked = await sClient(port, [...files(3), ...ALPN, '-tls1_3'], { stdin: commands, millis: 7_000 });
    expect(asked.output).toMatch(/RENEGOTIATING|KEYUPDATE/);
    const old = await sClient(port, [...files(3), ...ALPN, '-tls1_2'], { stdin: commands });
    expect(old.output).toMatch(/alert protocol version|unsupported protocol|no protocols/);
    await counted(node, Reason.HandshakeFailed);
    expect(node.joined).toHaveLength(1);
    expect(node.transport.stats()).toMatchObject({ connections: 1, handshakes: 0 });
    expect(peer.joined[0]?.send(Uint8Array.of(1), '')).toBe(true);
    await waitFor('the packet of the honest peer', () => node.packets.length === 1);
  }, 30_000);

  it('cuts off oversize frames', async () => {
    const { node, port } = await victim();
    const oversize = Uint8Array.of(0x00, 0x0f, 0x42, 0x41);
    await sClient(port, [...files(3), ...ALPN], { stdin: oversize, millis: 1_500 });
    await counted(node, Reason.FrameTooLarge);
  });
});

/** Whether this machine has addresses of its own in all of 127.0.0.0/8. */
const hasLoopbackNet = process.platform === 'linux';
const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);
if (!hasLoopbackNet) process.stderr.write('skipped: these tests need the addresses 127.0.0.0/8\n');
if (!hasIpv6) process.stderr.write('skipped: these tests need IPv6\n');

describe.skipIf(!hasLoopbackNet)('attacks › one network group', () => {
  it('lets 10,000 addresses of it in as one, and an honest peer of another goes on', async () => {
    const groups = new NetworkGroups([{ prefix: '127.64.0.0/10', group: 'attacker' }]);
    const { node, port } = await victim({ acceptLimits: ACCEPT_LIMITS, groups });
    const peer = await honest(port);
    const knocks = 10_000;
    let closed = 0;
    for (let i = 0; i < knocks; i++) {
      const localAddress = `127.64.${1 + Math.floor(i / 250)}.${1 + (i % 250)}`;
      const socket = connect({ port, host: '127.0.0.1', localAddress });
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
      endLater(() => socket.destroy());
      if (i % 100 === 99) await waitFor('most are over', () => i - closed < 250, 30_000);
      if (i % 1_000 === 999) expect(peer.joined[0]?.send(Uint8Array.of(1, 2, 3), '')).toBe(true);
    }
    await waitFor('those that were not let in are over', () => knocks - closed <= LIMITS.TRANSPORT_PER_GROUP);
    const refused = node.refused.filter((reason) => reason === Reason.AddressLimit).length;
    const admitted = knocks - refused;
    process.stdout.write(`10,000 connections of one group: ${refused} refused before a handshake\n`);
    // As many as at once, and those that took the places of handshakes that were given up.
    expect(admitted).toBeLessThan(knocks / 20);
    expect(node.transport.stats().handshakes).toBeLessThanOrEqual(LIMITS.TRANSPORT_PER_GROUP);
    await waitFor('all packets of the honest peer', () => node.packets.length === 10);
    expect(node.lost).toEqual([]);
  }, 120_000);
});

describe.skipIf(!hasIpv6)('dual stack', () => {
  it('takes IPv6 and IPv4 on one port, and names each peer as it is', async () => {
    const { node, port } = await victim({ listen: { host: '::', port: 0 } });
    for (const [number, host] of [
      [2, '[::1]'],
      [3, '127.0.0.1'],
    ] as const) {
      const own = identity(number);
      const peers = [candidate(`${host}:${port}`)];
      const peer = await startTransport(own, new TlsNet(own.privateKey), systemClock, {
        ...END_OF_TURN,
        peers,
      });
      endLater(() => peer.transport.close());
      await waitFor('it is connected', () => peer.joined.length === 1 && node.joined.length === number - 1);
      expect(peer.joined[0]?.remote).toBe(`${host}:${port}`);
      expect(peer.joined[0]?.send(Uint8Array.of(number), '')).toBe(true);
    }
    await waitFor('both packets', () => node.packets.length === 2);
    const hosts = node.joined.map(({ remote }) => remote.slice(0, remote.lastIndexOf(':')));
    expect(hosts).toEqual(['[::1]', '127.0.0.1']);
    // One address of IPv6 has the limits of one.
    expect(node.transport.stats()).toMatchObject({ connections: 2, handshakes: 0 });
  });
});

describe('attacks › sockets', () => {
  it('gives every place back to peers that come and go, over real TLS', async () => {
    const { node, port } = await victim({ acceptLimits: { ...ROOMY, perAddress: 4, perGroup: 4 } });
    const rounds = 30;
    for (let round = 1; round <= rounds; round++) {
      const own = identity(10 + (round % 3));
      const peers = [candidate(`127.0.0.1:${port}`)];
      const peer = await startTransport(own, new TlsNet(own.privateKey), systemClock, {
        ...END_OF_TURN,
        peers,
      });
      await waitFor('it is taken in', () => node.joined.length === round);
      await peer.transport.close();
      await waitFor('its end is noticed', () => node.lost.length === round);
    }
    expect(node.transport.stats()).toMatchObject({ connections: 0, handshakes: 0, bans: 0 });
    expect(node.refused).toEqual([]);
  }, 60_000);

  it('bounds half-open connections, and an honest peer is served meanwhile', async () => {
    const { node, port } = await victim({ acceptLimits: { ...ROOMY, handshakes: 32 } });
    const peer = await honest(port);
    const sockets = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => undefined);
    endLater(() => {
      for (const socket of sockets) socket.destroy();
    });
    await counted(node, Reason.HandshakeLimit, 100);
    expect(node.transport.stats().handshakes).toBeLessThanOrEqual(32);
    const [session] = peer.joined;
    expect(session?.send(Uint8Array.of(1, 2, 3), '')).toBe(true);
    await waitFor('the packet', () => node.packets.length === 1);
    // Slowloris: the handshake of none of them ends, and each gives its place back in time.
    await waitFor('their places are free', () => node.transport.stats().handshakes === 0, 15_000);
    await counted(node, Reason.HandshakeFailed, 32);
  });

  it('lets no more in from one address than it may have, however fast they come', async () => {
    const { node, port } = await victim({ acceptLimits: ACCEPT_LIMITS });
    const knocks = 2_000;
    let closed = 0;
    for (let i = 0; i < knocks; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('close', () => closed++);
      if (i % 100 === 99) await waitFor('most are over', () => i - closed < 150);
    }
    await waitFor(
      'all but those that were let in are over',
      () => knocks - closed <= LIMITS.TRANSPORT_PER_ADDRESS,
    );
    const refusals = node.refused.filter((reason) => reason === Reason.AddressLimit).length;
    expect(refusals).toBeGreaterThan(knocks - 200);
    expect(node.transport.stats().handshakes).toBeLessThanOrEqual(LIMITS.TRANSPORT_PER_ADDRESS);
  });
});
