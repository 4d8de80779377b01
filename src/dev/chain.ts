/**
 * A small regtest chain that all nodes of a development network share: blocks, a mempool, unspent outputs,
 * reorganisations. Headers carry real (trivial) proof of work from the real regtest genesis on.
 *
 * Rules: Bitcoin's regtest parameters; scripts are not run and signatures not asked for: any output may be spent.
 */
import { assert, present } from '../core/assert.js';
import { concatBytes, fromHex, toHex } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import {
  blockHash,
  merkleRoot,
  transactionBytes,
  transactionId,
  type BlockHeader,
  type DevTransaction,
  type OutPoint,
  type TxOutput,
} from './transaction.js';

export interface DevBlock {
  readonly height: number;
  /** 32 bytes, internal order. */
  readonly hash: Uint8Array;
  readonly header: BlockHeader;
  readonly transactions: readonly StoredTransaction[];
}

export interface StoredTransaction {
  /** 32 bytes, internal order. */
  readonly txid: Uint8Array;
  readonly transaction: DevTransaction;
  readonly bytes: Uint8Array;
}

export interface Utxo {
  readonly valueSats: bigint;
  readonly script: Uint8Array;
  /** Of the block that made it. */
  readonly height: number;
  readonly isCoinbase: boolean;
}

/** What a chain tells its nodes, in the order it happens. Hashes are 32 bytes, internal order. */
export interface ChainObserver {
  onBlock(block: DevBlock): void;
  onBlockDisconnected(block: DevBlock): void;
  onReorg(oldTip: Uint8Array, newTip: Uint8Array): void;
  onTransaction(transaction: StoredTransaction, mempoolSize: number): void;
  onMempoolRemoved(txid: Uint8Array, reason: string, mempoolSize: number): void;
}

const REGTEST_BITS = 0x207f_ffff;
const SUBSIDY_SATS = 5_000_000_000n;
const OP_TRUE = Uint8Array.of(0x51);
/** Fee rate that the node estimates: a quiet mempool's minimum, in sats per virtual byte. */
export const FEE_RATE_SATS_PER_VBYTE = 1n;

/** The real regtest genesis header; its coinbase cannot be spent and stands in no output set. */
const GENESIS: BlockHeader = {
  version: 1,
  prevBlockHash: new Uint8Array(32),
  merkleRoot: present(
    fromHex('3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a'),
    'the genesis root is hex',
  ),
  timestamp: 1_296_688_602,
  bits: REGTEST_BITS,
  nonce: 2,
};

export class DevChain {
  readonly #clock: Clock;
  readonly #observers = new Set<ChainObserver>();
  readonly #blocks: DevBlock[] = [{ height: 0, hash: blockHash(GENESIS), header: GENESIS, transactions: [] }];
  readonly #heightByHash = new Map<string, number>();
  /** Confirmed transactions by id, with the height of their block. */
  readonly #confirmed = new Map<string, { stored: StoredTransaction; height: number }>();
  /** In order of arrival. */
  readonly #mempool = new Map<string, StoredTransaction>();
  /** Outpoints that the mempool spends. */
  readonly #claimed = new Set<string>();
  /** By outpoint key. */
  readonly #utxos = new Map<string, Utxo>();
  /** What each block above the genesis spent, so that it can be undone. */
  readonly #undo: { readonly key: string; readonly utxo: Utxo }[][] = [];
  /** Makes otherwise equal transactions and competing blocks differ. */
  #serial = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heightByHash.set(toHex(this.tip.hash), 0);
  }

  observe(observer: ChainObserver): void {
    this.#observers.add(observer);
  }

  unobserve(observer: ChainObserver): void {
    this.#observers.delete(observer);
  }

  get height(): number {
    return this.#blocks.length - 1;
  }

  get tip(): DevBlock {
    return present(this.#blocks.at(-1), 'a chain has its genesis');
  }

  /** Expected hashes to reach the tip: two for each regtest block. */
  get work(): bigint {
    return 2n * BigInt(this.#blocks.length);
  }

  block(hash: Uint8Array): DevBlock | null {
    const height = this.#heightByHash.get(toHex(hash));
    return height === undefined ? null : (this.#blocks[height] ?? null);
  }

  blockAt(height: number): DevBlock | null {
    return this.#blocks[height] ?? null;
  }

  utxo(outpoint: OutPoint): Utxo | null {
    return this.#utxos.get(outpointKey(outpoint.hash, outpoint.index)) ?? null;
  }

  /** A confirmed or waiting transaction, with its block while it has one. */
  transaction(txid: Uint8Array): { stored: StoredTransaction; block: DevBlock | null } | null {
    const id = toHex(txid);
    const confirmed = this.#confirmed.get(id);
    if (confirmed !== undefined) return { stored: confirmed.stored, block: this.blockAt(confirmed.height) };
    const waiting = this.#mempool.get(id);
    return waiting === undefined ? null : { stored: waiting, block: null };
  }

  isInMempool(txid: Uint8Array): boolean {
    return this.#mempool.has(toHex(txid));
  }

  /** Blocks on top of the transaction's own, that one included; 0 while it waits. */
  confirmations(txid: Uint8Array): number {
    const confirmed = this.#confirmed.get(toHex(txid));
    return confirmed === undefined ? 0 : this.height - confirmed.height + 1;
  }

  mempool(): readonly StoredTransaction[] {
    return [...this.#mempool.values()];
  }

  mempoolSize(): { transactions: number; bytes: number } {
    let bytes = 0;
    for (const stored of this.#mempool.values()) bytes += stored.bytes.length;
    return { transactions: this.#mempool.size, bytes };
  }

  /**
   * Puts a transaction into the mempool.
   * @param inputs outpoints to spend; none makes the outputs out of nothing, as a faucet does
   * @returns its id, 32 bytes, internal order
   * @throws MeshError DEV_NODE_FAILED where an input is unknown or spent, or the mempool is full
   */
  createTransaction(outputs: readonly TxOutput[], inputs: readonly OutPoint[] = []): Uint8Array {
    if (this.#mempool.size >= LIMITS.DEV_MEMPOOL) {
      throw new MeshError('DEV_NODE_FAILED', 'the mempool is full: mine a block first', {
        limit: LIMITS.DEV_MEMPOOL,
      });
    }
    for (const input of inputs) {
      const key = outpointKey(input.hash, input.index);
      if (!this.#utxos.has(key) || this.#claimed.has(key)) {
        throw new MeshError('DEV_NODE_FAILED', 'an input is unknown or spent: spend a confirmed output', {
          outpoint: key,
        });
      }
    }
    // A faucet transaction has no inputs that would make it unique; the lock time does.
    const stored = store({
      version: 2,
      inputs,
      outputs,
      lockTime: inputs.length === 0 ? ++this.#serial : 0,
      coinbaseHeight: null,
    });
    this.#admit(stored);
    return stored.txid;
  }

  /** Mines blocks with all that waits in the first of them. */
  mine(count = 1): readonly DevBlock[] {
    this.#requireRoom(count);
    const mined: DevBlock[] = [];
    for (let i = 0; i < count; i++) {
      mined.push(this.#connect([...this.#mempool.values()]));
    }
    return mined;
  }

  /**
   * Replaces the last blocks by a branch that is one longer. Their transactions go back to the mempool and into
   * the new branch's first block, unless told to stay out; one that spends an output of the lost branch is gone.
   * @param options.dropTransactions forget the transactions, as a double spend on the other branch would
   */
  reorg(depth: number, options: { readonly dropTransactions?: boolean } = {}): DevBlock {
    if (!Number.isInteger(depth) || depth < 1 || depth > this.height) {
      throw new MeshError('DEV_NODE_FAILED', `a reorganisation is 1 to ${this.height} blocks deep here`, {
        depth,
      });
    }
    this.#requireRoom(1);
    const oldTip = this.tip.hash;
    const waiting = [...this.#mempool.values()];
    this.#mempool.clear();
    this.#claimed.clear();
    const orphaned: StoredTransaction[] = [];
    for (let i = 0; i < depth; i++) orphaned.unshift(...this.#disconnect());
    for (const stored of orphaned) {
      if (options.dropTransactions !== true && this.#canSpend(stored)) this.#admit(stored);
      else this.#tellRemoved(stored, 'reorg');
    }
    for (const stored of waiting) {
      if (this.#canSpend(stored)) this.#keep(stored);
      else this.#tellRemoved(stored, 'reorg');
    }
    for (let i = 0; i <= depth; i++) this.#connect(i === 0 ? [...this.#mempool.values()] : []);
    for (const observer of this.#observers) observer.onReorg(oldTip, this.tip.hash);
    return this.tip;
  }

  #requireRoom(count: number): void {
    if (!Number.isInteger(count) || count < 1 || this.height + count > LIMITS.DEV_BLOCKS) {
      throw new MeshError('DEV_NODE_FAILED', `mine at least one block, and ${LIMITS.DEV_BLOCKS} at most`, {
        count,
        height: this.height,
      });
    }
  }

  #admit(stored: StoredTransaction): void {
    this.#keep(stored);
    for (const observer of this.#observers) observer.onTransaction(stored, this.#mempool.size);
  }

  #keep(stored: StoredTransaction): void {
    this.#mempool.set(toHex(stored.txid), stored);
    for (const input of stored.transaction.inputs) this.#claimed.add(outpointKey(input.hash, input.index));
  }

  #canSpend(stored: StoredTransaction): boolean {
    return stored.transaction.inputs.every((input) => {
      const key = outpointKey(input.hash, input.index);
      return this.#utxos.has(key) && !this.#claimed.has(key);
    });
  }

  #tellRemoved(stored: StoredTransaction, reason: string): void {
    for (const observer of this.#observers)
      observer.onMempoolRemoved(stored.txid, reason, this.#mempool.size);
  }

  #connect(waiting: readonly StoredTransaction[]): DevBlock {
    const height = this.height + 1;
    const coinbase = store({
      version: 2,
      inputs: [],
      outputs: [{ valueSats: SUBSIDY_SATS, script: concatBytes(OP_TRUE, serialScript(++this.#serial)) }],
      lockTime: 0,
      coinbaseHeight: height,
    });
    const transactions = [coinbase, ...waiting];
    const header = mineHeader({
      version: 0x2000_0000,
      prevBlockHash: this.tip.hash,
      merkleRoot: merkleRoot(transactions.map((stored) => stored.txid)),
      timestamp: Math.max(this.tip.header.timestamp + 1, this.#clock.unixSeconds()),
      bits: REGTEST_BITS,
      nonce: 0,
    });
    const block: DevBlock = { height, hash: blockHash(header), header, transactions };
    const spent: { key: string; utxo: Utxo }[] = [];
    for (const stored of transactions) this.#apply(stored, height, spent);
    this.#undo.push(spent);
    this.#blocks.push(block);
    this.#heightByHash.set(toHex(block.hash), height);
    for (const stored of waiting) this.#tellRemoved(stored, 'mined');
    for (const observer of this.#observers) observer.onBlock(block);
    return block;
  }

  #apply(stored: StoredTransaction, height: number, spent: { key: string; utxo: Utxo }[]): void {
    const id = toHex(stored.txid);
    for (const input of stored.transaction.inputs) {
      const key = outpointKey(input.hash, input.index);
      spent.push({ key, utxo: present(this.#utxos.get(key), 'the mempool spends only what exists') });
      this.#utxos.delete(key);
      this.#claimed.delete(key);
    }
    this.#mempool.delete(id);
    this.#confirmed.set(id, { stored, height });
    const isCoinbase = stored.transaction.coinbaseHeight !== null;
    for (const [index, output] of stored.transaction.outputs.entries()) {
      this.#utxos.set(outpointKey(stored.txid, index), { ...output, height, isCoinbase });
    }
  }

  /** Undoes the last block; returns its transactions without the coinbase. */
  #disconnect(): StoredTransaction[] {
    const block = this.#blocks.pop();
    const spent = this.#undo.pop();
    assert(block !== undefined && spent !== undefined, 'the genesis is never disconnected');
    for (const stored of block.transactions) {
      this.#confirmed.delete(toHex(stored.txid));
      for (const index of stored.transaction.outputs.keys())
        this.#utxos.delete(outpointKey(stored.txid, index));
    }
    for (const { key, utxo } of spent) this.#utxos.set(key, utxo);
    this.#heightByHash.delete(toHex(block.hash));
    for (const observer of this.#observers) observer.onBlockDisconnected(block);
    return block.transactions.slice(1);
  }
}

function store(transaction: DevTransaction): StoredTransaction {
  return { txid: transactionId(transaction), transaction, bytes: transactionBytes(transaction) };
}

function outpointKey(txid: Uint8Array, index: number): string {
  return `${toHex(txid)}:${index}`;
}

function serialScript(serial: number): Uint8Array {
  return Uint8Array.of(serial >>> 24, serial >>> 16, serial >>> 8, serial);
}

/** Regtest asks for one leading zero bit: two tries on average. Internal order keeps it in the last byte. */
function mineHeader(header: BlockHeader): BlockHeader {
  for (let nonce = 0; ; nonce++) {
    const candidate = { ...header, nonce };
    if ((present(blockHash(candidate)[31], 'a hash has 32 bytes') & 0x80) === 0) return candidate;
  }
}
