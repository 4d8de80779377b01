import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { fromHex, toHex, utf8 } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { DevControlClient, type RunningDevNode } from '../../../src/dev/index.js';
import { LineReader } from '../../../src/core/lines.js';
import { BareModule, startDevNetwork, waitUntil } from '../../support/dev.js';

async function started(nodes = 2): Promise<RunningDevNode & { client: DevControlClient }> {
  const network = await startDevNetwork({ nodes });
  return { ...network, client: await DevControlClient.connect(network.controlPath) };
}

describe('control socket', () => {
  test('another process creates and pays an invoice with plain lines of JSON', async () => {
    const { controlPath, node } = await started();
    const script = `
      const socket = require('node:net').connect(process.argv[1]);
      const ask = (id, method, params) => socket.write(JSON.stringify({ id, method, params }) + '\\n');
      require('node:readline').createInterface({ input: socket }).on('line', (line) => {
        const { id, result } = JSON.parse(line);
        if (id === 1) ask(2, 'pay', { invoice: result.invoice });
        else { console.log(JSON.stringify(result)); socket.end(); }
      });
      ask(1, 'createInvoice', { node: 'node-2', amountMsat: '1234', description: 'from elsewhere' });`;
    const child = spawn(process.execPath, ['-e', script, controlPath]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(code).toBe(0);
    const paid = JSON.parse(output) as { preimage: string; paymentHash: string; amountMsat: string };
    const preimage = present(fromHex(paid.preimage), 'hex');
    expect(createHash('sha256').update(preimage).digest('hex')).toBe(paid.paymentHash);
    expect(paid.amountMsat).toBe('1234');
    expect(node('node-2').wallet.find(paid.paymentHash)?.paidMsat).toBe(1_234n);
  });

  test('the client sees the nodes, moves links, the chain and payments', async () => {
    const { client, network } = await started(3);
    const { nodes, height } = await client.call('nodes', {});
    expect(nodes.map(({ name, address }) => [name, address])).toEqual([
      ['node-1', '10.0.0.1:18444'],
      ['node-2', '10.0.0.2:18444'],
      ['node-3', '10.0.0.3:18444'],
    ]);
    expect(nodes[0]?.payee).toBe(network.node('node-1').payee);
    expect(height).toBe(0);

    await client.call('disconnect', { a: 'node-1', b: '10.0.0.2:18444' });
    expect(network.node('node-1').peers).toEqual(['10.0.0.3:18444']);
    await client.call('connect', { a: 'node-1', b: 'node-2', lossRate: 0.5 });
    expect(await client.call('setLink', { a: 'node-2', b: 'node-1', latencyMillis: 7 })).toEqual({
      latencyMillis: 7,
      lossRate: 0.5,
      reorderRate: 0,
    });

    const { paymentId } = await client.call('requestOnChain', { node: 'node-1', amountSats: '900' });
    const { txid } = await client.call('payOnChain', { node: 'node-1', paymentId });
    const outputs = [{ valueSats: '5', script: '51' }];
    await client.call('createOutputs', { outputs });
    expect(await client.call('mine', { blocks: 2 })).toEqual({
      height: 2,
      hash: toHex(network.chain.tip.hash),
    });
    expect(network.chain.confirmations(present(fromHex(txid), 'hex'))).toBe(2);
    expect((await client.call('reorg', { depth: 1 })).height).toBe(3);

    const stats = await client.call('stats', {});
    expect(Object.keys(stats.nodes)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(stats.links).toHaveLength(3);
    client.close();
  });

  test('the client drives modules: raw bytes, events, calls, command lines', async () => {
    const { client, node } = await started();
    const waiting = client.call('waitForModule', { node: 'node-1', module: 'blvm-mesh', readiness: 'api' });
    const module = await BareModule.join(node('node-1').socketPath);
    await module.subscribe('MeshPacketReceived', 'PaymentSettled');
    module.answering = ({ invocation_type: invocation }) => {
      if (invocation.name === 'Cli')
        return { name: 'Cli', value: { stdout: invocation.value.args.join(), stderr: '', exit_code: 4 } };
      return { name: 'ModuleApi', value: utf8('!') };
    };
    const spec = { version: 1, name: 'mesh', about: null, subcommands: [] };
    await module.get({ name: 'RegisterCliSpec', value: { spec } });
    await module.get({ name: 'RegisterModuleApi', value: { methods: ['m'], api_version: 1 } });
    expect(await waiting).toEqual({ moduleId: 'blvm-mesh', moduleName: 'blvm-mesh', version: '0.1.0' });

    const raw = { node: 'node-2', to: 'node-1', hex: toHex(utf8('MESHjunk')), count: 3 };
    expect(await client.call('sendFrom', raw)).toEqual({ sent: true });
    const [packet] = await module.eventsOf('MeshPacketReceived', 3);
    expect(packet).toEqual({ packet_data: utf8('MESHjunk'), peer_addr: '10.0.0.2:18444' });

    const value = { payment_id: 'x', tx_hash: 'ab'.repeat(32), confirmations: 6 };
    await client.call('publishEvent', { node: 'node-1', name: 'PaymentSettled', value });
    expect(await module.eventsOf('PaymentSettled', 1)).toEqual([
      { payment_id: 'x', tx_hash: new Uint8Array(32).fill(0xab), confirmations: 6 },
    ]);

    const cli = { node: 'node-1', module: 'mesh', subcommand: 'send-packet', args: ['a', 'b'] };
    expect(await client.call('cli', cli)).toEqual({ stdout: 'a,b', stderr: '', exitCode: 4 });
    const call = { node: 'node-1', module: 'blvm-mesh', method: 'm', hex: '00' };
    expect(await client.call('callModule', call)).toEqual({ hex: '21' });
    await client.call('dropConnections', { node: 'node-1' });
    await waitUntil(() => module.isClosed, 'the module is cut off');
    client.close();
  });

  test('what cannot be done is answered with its code, and the connection stays', async () => {
    const { client } = await started();
    const code = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => 'nothing',
        (error: unknown) => (error as { code: unknown }).code,
      );
    const { invoice } = await client.call('createInvoice', { node: 'node-1', amountMsat: '1' });
    await client.call('pay', { invoice });
    expect(await code(client.call('pay', { invoice }))).toBe('WALLET_REFUSED');
    expect(await code(client.call('createInvoice', { node: 'node-9' }))).toBe('PEER_UNKNOWN');
    expect(await code(client.call('createInvoice', { node: 'node-1', amountMsat: '1.5' }))).toBe(
      'DEV_NODE_FAILED',
    );
    expect(await code(client.call('setLink', { a: 'node-1', b: 'node-2', lossRate: 2 }))).toBe(
      'DEV_NODE_FAILED',
    );
    expect(await code(client.call('reorg', { depth: 5 }))).toBe('DEV_NODE_FAILED');
    expect(await code(client.call('mine', { blocks: 1e9 }))).toBe('DEV_NODE_FAILED');
    const event = (name: string, value: unknown): Promise<unknown> =>
      code(client.call('publishEvent', { node: 'node-1', name, value }));
    expect(await event('toString', {})).toBe('DEV_NODE_FAILED');
    expect(await event('NewBlock', { block_hash: 'ab', height: '1' })).toBe('DEV_NODE_FAILED');
    expect(await event('NewBlock', { block_hash: 'ab'.repeat(32), height: '1', more: 1 })).toBe(
      'DEV_NODE_FAILED',
    );
    const absent = { node: 'node-1', module: 'mesh', subcommand: 'status' };
    expect(await code(client.call('cli', absent))).toBe('NODE_REQUEST_REFUSED');
    const wait = { node: 'node-1', module: 'mesh', timeoutMillis: 10 };
    expect(await code(client.call('waitForModule', wait))).toBe('NODE_REQUEST_TIMEOUT');
    expect((await client.call('nodes', {})).nodes).toHaveLength(2);
    client.close();
  });

  test('lines that are no request are answered, a line without end closes its connection only', async () => {
    const { client, controlPath } = await started();
    const socket = connect(controlPath);
    const lines: string[] = [];
    const reader = new LineReader(10_000);
    let isClosed = false;
    socket.on('data', (chunk) => reader.push(chunk, (line) => lines.push(line)));
    socket.on('close', () => (isClosed = true));
    socket.on('error', () => undefined);
    socket.write('nonsense\n[]\n{"id":1}\n{"id":2,"method":"constructor"}\n\n{"id":3,"method":"nodes"}\n');
    await waitUntil(() => lines.length === 5, 'five answers');
    const codes = lines.map((line) => (JSON.parse(line) as { error?: { code: string } }).error?.code);
    expect(codes).toEqual([...Array<string>(4).fill('BAD_REQUEST'), undefined]);
    socket.write('x'.repeat(LIMITS.DEV_CONTROL_LINE_BYTES + 1));
    await waitUntil(() => isClosed, 'the endless line is cut off');
    expect((await client.call('nodes', {})).nodes).toHaveLength(2);
    client.close();
  });

  test('a shutdown over the socket ends the network and removes every socket', async () => {
    const { client, dir, ended } = await started();
    await client.call('shutdown', {});
    await ended;
    expect(existsSync(dir)).toBe(false);
    await expect(client.call('nodes', {})).rejects.toMatchObject({ code: 'NODE_CONNECTION_LOST' });
    await expect(DevControlClient.connect(join(dir, 'control.sock'))).rejects.toMatchObject({
      code: 'NODE_UNREACHABLE',
    });
  });
});

describe('starting', () => {
  test('a leftover socket is replaced, a live one and a plain file are not', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'blvm-dev-test-'));
    try {
      const first = await startDevNetwork({ nodes: 1, dir });
      await expect(startDevNetwork({ nodes: 1, dir })).rejects.toThrow(/is taken/);
      await BareModule.join(first.node('node-1').socketPath);
      await first.close();
      expect(existsSync(first.controlPath)).toBe(false);
      const killed = spawn(process.execPath, [
        '-e',
        `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`,
        join(dir, 'node-1.sock'),
      ]);
      await new Promise((resolve) => killed.on('close', resolve));
      expect(existsSync(join(dir, 'node-1.sock'))).toBe(true);
      await (await startDevNetwork({ nodes: 1, dir })).close();
      writeFileSync(join(dir, 'node-1.sock'), 'precious');
      await expect(startDevNetwork({ nodes: 1, dir })).rejects.toThrow(/is taken/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
