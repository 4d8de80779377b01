// Channels over real sockets. Rules: docs/transport.md, Connection.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.js';
import { MeshError } from '../../../src/core/errors.js';
import { Reason } from '../../../src/core/reasons.js';
import type { Dialled } from '../../../src/transport/channel.js';
import { TlsNet } from '../../../src/transport/tls-net.js';
import { identity } from '../../support/identities.js';
import { endAll, endLater, waitFor } from '../../support/mesh-process.js';
import { candidate, startTransport } from '../../support/transports.js';

afterEach(endAll);

async function listening(
  hosts: { readonly admits?: boolean } = {},
): Promise<{ readonly port: number; readonly results: Dialled[] }> {
  const results: Dialled[] = [];
  const net = new TlsNet(identity(1).privateKey);
  const listener = await net.listen('127.0.0.1', 0, {
    admits: () => hosts.admits ?? true,
    onDone: (_, result) => results.push(result),
  });
  endLater(() => listener.close());
  return { port: listener.port, results };
}

describe('TLS channels', () => {
  it('know who is at the other end, and share 32 bytes that no other connection has', async () => {
    const { port, results } = await listening();
    const net = new TlsNet(identity(2).privateKey);
    const bindings = new Set<string>();
    for (let i = 1; i <= 2; i++) {
      const near = await net.dial('127.0.0.1', port);
      await waitFor('the channel', () => results.length === i);
      const far = results[i - 1];
      if (!near.ok || far?.ok !== true) throw new Error('two channels');
      expect(near.channel.nodeId).toEqual(identity(1).nodeId);
      expect(far.channel.nodeId).toEqual(identity(2).nodeId);
      expect(near.channel.binding).toEqual(far.channel.binding);
      expect(near.channel.binding).toHaveLength(32);
      expect(far.channel.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      bindings.add(Buffer.from(near.channel.binding).toString('hex'));
      near.channel.destroy();
      far.channel.destroy();
    }
    expect(bindings.size).toBe(2);
  });

  it('tell when the other side has ended', async () => {
    const { port, results } = await listening();
    const near = await new TlsNet(identity(2).privateKey).dial('127.0.0.1', port);
    await waitFor('the channel', () => results.length === 1);
    const [far] = results;
    if (!near.ok || far?.ok !== true) throw new Error('two channels');
    let ended = 0;
    near.channel.listen({ onData: () => undefined, onClose: () => ended++ });
    far.channel.destroy();
    await waitFor('the end', () => ended === 1);
  });

  it('are refused before the handshake where the gate says so', async () => {
    const { port, results } = await listening({ admits: false });
    const near = await new TlsNet(identity(2).privateKey).dial('127.0.0.1', port);
    expect(near.ok).toBe(false);
    expect(results).toEqual([]);
  });

  it('give the place of a handshake back that was given up', async () => {
    const { port, results } = await listening();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await waitFor('the end of the handshake', () => results.length === 1);
    expect(results).toEqual([{ ok: false, reason: Reason.HandshakeFailed }]);
    const half = connect(port, '127.0.0.1');
    half.on('error', () => undefined);
    await waitFor('the connection', () => !half.connecting);
    half.destroy();
    await waitFor('the end of the handshake', () => results.length === 2);
  });

  it('say who has the port, and what to change', async () => {
    const { port } = await listening();
    const net = new TlsNet(identity(2).privateKey);
    const failed = net.listen('127.0.0.1', port, { admits: () => true, onDone: () => undefined });
    const error = await failed.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof MeshError)) throw new Error('a MeshError');
    expect(error.code).toBe('LISTEN_ADDR_IN_USE');
    expect(error.message).toContain('listen_addr');
    if (process.platform === 'linux') expect(error.facts['owner']).toContain(`process ${process.pid}`);
    await expect(
      net.listen('203.0.113.1', 0, { admits: () => true, onDone: () => undefined }),
    ).rejects.toMatchObject({
      code: 'LISTEN_ADDR_UNUSABLE',
    });
  });
});

describe('transport over TLS', () => {
  it('carries packets of all sizes both ways, unharmed', async () => {
    const changes = { atEndOfTurn: (callback: () => void) => void setImmediate(callback) };
    const a = await startTransport(identity(1), new TlsNet(identity(1).privateKey), systemClock, {
      ...changes,
      listen: { host: '127.0.0.1', port: 0 },
    });
    endLater(() => a.transport.close());
    const peers = [candidate(`127.0.0.1:${a.transport.port ?? 0}`, { pin: identity(1).nodeId })];
    const b = await startTransport(identity(2), new TlsNet(identity(2).privateKey), systemClock, {
      ...changes,
      peers,
    });
    endLater(() => b.transport.close());
    await waitFor('both are joined', () => a.joined.length === 1 && b.joined.length === 1);
    const sizes = [1, 2, 100, 1_400, 16_383, 16_384, 65_532, 65_533, 200_000, 1_000_000];
    const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    const packets = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) & 0xff));
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const packet of packets) {
        await waitFor('room', () => from.joined[0]?.send(packet, '') === true);
      }
      await waitFor('all packets', () => to.packets.length === packets.length);
      expect(to.packets.map(({ packet }) => hash(packet))).toEqual(packets.map(hash));
    }
    const [session] = b.joined;
    session?.close(Reason.ConnectionLost);
    await waitFor('the end on the other side', () => a.lost.length === 1);
  });
});
