import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { toHex } from '../../../src/core/bytes.js';
import { DevChain } from '../../../src/dev/chain.js';
import { blockHash, merkleRoot } from '../../../src/dev/transaction.js';
import { IpcCodec } from '../../../src/node/ipc-codec.js';
import { fromHex } from '../../../src/core/bytes.js';
import { present } from '../../../src/core/assert.js';

const script = Uint8Array.of(0x51);

function newChain(): { chain: DevChain; events: string[] } {
  const chain = new DevChain(new VirtualClock());
  const events: string[] = [];
  chain.observe({
    onBlock: (block) => events.push(`block ${block.height}`),
    onBlockDisconnected: (block) => events.push(`disconnected ${block.height}`),
    onReorg: () => events.push('reorg'),
    onTransaction: () => events.push('transaction'),
    onMempoolRemoved: (_txid, reason) => events.push(`removed ${reason}`),
  });
  return { chain, events };
}

describe('development chain', () => {
  test('it starts from the genesis that a running regtest node showed', () => {
    const session = readFileSync(new URL('../../vectors/node-session.jsonl', import.meta.url), 'utf8');
    const codec = IpcCodec.newest();
    const tips = session
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { from: string; hex: string })
      .map(({ hex }) => codec.decodeMessage(present(fromHex(hex), 'vectors are hex')))
      .flatMap((decoded) => {
        if (!decoded.ok || decoded.value.name !== 'Response') return [];
        const { payload } = decoded.value.value;
        return payload?.name === 'ChainInfo' ? [payload.value] : [];
      });
    const { chain } = newChain();
    expect(tips).toHaveLength(1);
    expect(toHex(chain.tip.hash)).toBe(toHex(present(tips[0], 'one').tip_hash));
    expect(chain.work).toBe(tips[0]?.chain_work);
  });

  test('a block links to the one before, proves its work and confirms what waited', () => {
    const { chain, events } = newChain();
    const txid = chain.createTransaction([{ valueSats: 700n, script }]);
    expect(chain.isInMempool(txid)).toBe(true);
    expect(chain.utxo({ hash: txid, index: 0 })).toBeNull();
    const [block] = chain.mine();
    const mined = present(block, 'one block');
    expect(toHex(mined.header.prevBlockHash)).toBe(toHex(present(chain.blockAt(0), 'genesis').hash));
    expect(toHex(blockHash(mined.header))).toBe(toHex(mined.hash));
    expect(present(mined.hash[31], 'a hash') & 0x80).toBe(0);
    expect(toHex(merkleRoot(mined.transactions.map((stored) => stored.txid)))).toBe(
      toHex(mined.header.merkleRoot),
    );
    expect(chain.isInMempool(txid)).toBe(false);
    expect(chain.confirmations(txid)).toBe(1);
    expect(chain.utxo({ hash: txid, index: 0 })).toMatchObject({
      valueSats: 700n,
      height: 1,
      isCoinbase: false,
    });
    expect(events).toEqual(['transaction', 'removed mined', 'block 1']);
  });

  test('an output is spent once', () => {
    const { chain } = newChain();
    const txid = chain.createTransaction([{ valueSats: 700n, script }]);
    expect(() => chain.createTransaction([], [{ hash: txid, index: 0 }])).toThrow(/unknown or spent/);
    chain.mine();
    chain.createTransaction([{ valueSats: 600n, script }], [{ hash: txid, index: 0 }]);
    expect(() => chain.createTransaction([], [{ hash: txid, index: 0 }])).toThrow(/unknown or spent/);
    chain.mine();
    expect(chain.utxo({ hash: txid, index: 0 })).toBeNull();
    expect(() => chain.createTransaction([], [{ hash: txid, index: 0 }])).toThrow(/unknown or spent/);
  });

  test('a reorganisation tells its steps in order, and its transactions confirm on the longer branch', () => {
    const { chain, events } = newChain();
    chain.mine(2);
    const txid = chain.createTransaction([{ valueSats: 700n, script }]);
    chain.mine();
    const lost = chain.tip.hash;
    events.length = 0;
    chain.reorg(2);
    expect(events).toEqual([
      'disconnected 3',
      'disconnected 2',
      'transaction',
      'removed mined',
      'block 2',
      'block 3',
      'block 4',
      'reorg',
    ]);
    expect(chain.height).toBe(4);
    expect(chain.block(lost)).toBeNull();
    expect(chain.confirmations(txid)).toBe(3);
  });

  test('a reorganisation restores what the lost branch spent, and can drop its transactions for good', () => {
    const { chain } = newChain();
    const funding = chain.createTransaction([{ valueSats: 700n, script }]);
    chain.mine();
    const spend = chain.createTransaction([{ valueSats: 600n, script }], [{ hash: funding, index: 0 }]);
    chain.mine();
    chain.reorg(1, { dropTransactions: true });
    expect(chain.transaction(spend)).toBeNull();
    expect(chain.utxo({ hash: funding, index: 0 })).not.toBeNull();
    expect(chain.utxo({ hash: spend, index: 0 })).toBeNull();
  });

  test('a waiting spend of a lost output is gone after the reorganisation', () => {
    const { chain, events } = newChain();
    const funding = chain.createTransaction([{ valueSats: 700n, script }]);
    chain.mine();
    const spend = chain.createTransaction([], [{ hash: funding, index: 0 }]);
    events.length = 0;
    chain.reorg(1, { dropTransactions: true });
    expect(chain.isInMempool(spend)).toBe(false);
    expect(events.filter((event) => event === 'removed reorg')).toHaveLength(2);
    expect(() => chain.reorg(99)).toThrow(/blocks deep/);
  });
});
