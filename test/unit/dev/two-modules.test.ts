// Two modules with ModuleIntegration, as blvm-mesh itself connects, on two nodes.
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { systemClock } from '../../../src/core/clock.js';
import { SeededRandom } from '../../../src/core/random.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import type { NodeEvent } from '../../../src/node/messages.js';
import type { RunningDevNode } from '../../../src/dev/index.js';
import { startDevNetwork, waitUntil } from '../../support/dev.js';

async function attach(
  { network }: RunningDevNode,
  node: string,
  name = 'blvm-mesh',
): Promise<{ module: ModuleIntegration; events: NodeEvent[] }> {
  const module = await ModuleIntegration.connect({
    socketPath: network.node(node).socketPath,
    moduleId: name,
    moduleName: name,
    version: '0.1.0',
    cliSpec: { version: 1, name: 'mesh', about: null, subcommands: [] },
    clock: systemClock,
    random: new SeededRandom(1),
    log: { log: () => undefined },
    requestsPerSecond: 10_000,
  });
  const events: NodeEvent[] = [];
  module.onEvent((event) => events.push(event));
  return { module, events };
}

const received = (events: readonly NodeEvent[]): string[] =>
  events.flatMap((event) =>
    event.name === 'MeshPacketReceived' ? [Buffer.from(event.value.packet_data).toString('latin1')] : [],
  );

describe('two modules on two development nodes', () => {
  test('they exchange packets both ways, in order', async () => {
    const network = await startDevNetwork({ nodes: 2, latencyMillis: 2 });
    const one = await attach(network, 'node-1');
    const two = await attach(network, 'node-2');
    await one.module.subscribeEvents(['MeshPacketReceived']);
    await two.module.subscribeEvents(['MeshPacketReceived']);
    const texts = Array.from({ length: 200 }, (_, i) => `MESH${i}`);
    await Promise.all(
      texts.flatMap((text) => [
        one.module.nodeApi().sendMeshPacketToPeer('10.0.0.2:18444', utf8(text)),
        two.module.nodeApi().sendMeshPacketToPeer('10.0.0.1:18444', utf8(text)),
      ]),
    );
    await waitUntil(() => received(one.events).length + received(two.events).length === 400, 'all packets');
    expect(received(one.events)).toEqual(texts);
    expect(received(two.events)).toEqual(texts);
    await Promise.all([one.module.close(), two.module.close()]);
  });

  test('a lossy, reordering link treats the same traffic alike whenever the seed is the same', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const network = await startDevNetwork({ nodes: 2, seed, lossRate: 0.2, reorderRate: 0.3 });
      const one = await attach(network, 'node-1');
      const two = await attach(network, 'node-2');
      await two.module.subscribeEvents(['MeshPacketReceived']);
      const sends = Array.from({ length: 300 }, (_, i) =>
        one.module.nodeApi().sendMeshPacketToPeer('10.0.0.2:18444', utf8(`MESH${i}`)),
      );
      await Promise.all(sends);
      const link = () => network.network.links()[0];
      await waitUntil(() => link()?.forth.inFlight === 0, 'nothing is under way');
      const expected = link()?.forth.delivered ?? 0;
      await waitUntil(() => received(two.events).length === expected, 'what was delivered arrives');
      await Promise.all([one.module.close(), two.module.close()]);
      await network.close();
      return received(two.events);
    };
    // Held packets that nothing overtakes go by a timer, so the set is exact and the order nearly so.
    const [first, again, other] = [await run(5), await run(5), await run(6)];
    expect([...again].sort()).toEqual([...first].sort());
    expect([...other].sort()).not.toEqual([...first].sort());
    expect(first.length).toBeGreaterThan(180);
    expect(first.length).toBeLessThan(285);
    expect(first).not.toEqual([...first].sort((a, b) => Number(a.slice(4)) - Number(b.slice(4))));
  });

  test('a call, a command line and a restart of the node', async () => {
    const network = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const mesh = await attach(network, 'node-1');
    const onion = await attach(network, 'node-1', 'onion');
    mesh.module.onInvocation((invocation) => {
      if (invocation.name === 'Cli')
        return {
          success: true,
          payload: { name: 'Cli', value: { stdout: invocation.value.subcommand, stderr: '', exit_code: 0 } },
        };
      return { success: true, payload: { name: 'ModuleApi', value: utf8('answer') } };
    });
    await mesh.module.nodeApi().registerModuleApi(['get_node_id'], 1);
    const call = (): Promise<Uint8Array> =>
      onion.module.callModule('blvm-mesh', 'get_node_id', new Uint8Array(0));
    expect(Buffer.from(await call()).toString()).toBe('answer');
    expect(await node.modules.cli('blvm-mesh', 'status', [])).toMatchObject({ stdout: 'status' });

    await mesh.module.subscribeEvents(['NewBlock']);
    node.dropConnections();
    await waitUntil(() => node.modules.connected.size === 0, 'all are cut off');
    await node.modules.waitFor('blvm-mesh', 'subscribed', 5_000);
    await node.modules.waitFor('blvm-mesh', 'api', 5_000);
    await node.modules.waitFor('onion', 'connected', 5_000);
    network.network.chain.mine();
    await waitUntil(() => mesh.events.some((event) => event.name === 'NewBlock'), 'events after the restart');
    expect(Buffer.from(await call()).toString()).toBe('answer');
    await Promise.all([mesh.module.close(), onion.module.close()]);
  });
});
