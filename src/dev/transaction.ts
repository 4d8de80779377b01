/**
 * Bitcoin transactions and block headers, as far as the development chain needs them: bytes and hashes.
 *
 * Rules: the Bitcoin P2P serialisation without witnesses; hashes in internal byte order (node-ipc.md, Transport).
 */
import { BincodeWriter } from '../core/bincode.js';
import { concatBytes } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';

export interface OutPoint {
  /** 32 bytes, internal order. */
  readonly hash: Uint8Array;
  readonly index: number;
}

export interface TxOutput {
  readonly valueSats: bigint;
  readonly script: Uint8Array;
}

export interface DevTransaction {
  readonly version: number;
  /** A coinbase has none: its input is the null outpoint with the height as its script. */
  readonly inputs: readonly OutPoint[];
  readonly outputs: readonly TxOutput[];
  readonly lockTime: number;
  /** Height for a coinbase, else null. */
  readonly coinbaseHeight: number | null;
}

export interface BlockHeader {
  readonly version: number;
  readonly prevBlockHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly bits: number;
  readonly nonce: number;
}

/** Bytes of a transaction. Bitcoin's integers are little endian like bincode's, its lengths are not. */
export function transactionBytes(transaction: DevTransaction): Uint8Array {
  const writer = new BincodeWriter();
  writer.u32(transaction.version);
  if (transaction.coinbaseHeight === null) {
    compactSize(writer, transaction.inputs.length);
    for (const input of transaction.inputs) {
      writer.fixed(input.hash);
      writer.u32(input.index);
      compactSize(writer, 0);
      writer.u32(0xffff_ffff);
    }
  } else {
    compactSize(writer, 1);
    writer.fixed(new Uint8Array(32));
    writer.u32(0xffff_ffff);
    compactSize(writer, 5);
    // BIP 34: the height makes two coinbases differ.
    writer.u8(4);
    writer.u32(transaction.coinbaseHeight);
    writer.u32(0xffff_ffff);
  }
  compactSize(writer, transaction.outputs.length);
  for (const output of transaction.outputs) {
    writer.u64(output.valueSats);
    compactSize(writer, output.script.length);
    writer.fixed(output.script);
  }
  writer.u32(transaction.lockTime);
  return writer.finish();
}

/** 32 bytes, internal order. */
export function transactionId(transaction: DevTransaction): Uint8Array {
  return doubleSha256(transactionBytes(transaction));
}

/** The 80 bytes of a header. */
export function headerBytes(header: BlockHeader): Uint8Array {
  const writer = new BincodeWriter(80);
  writer.i32(header.version);
  writer.fixed(header.prevBlockHash);
  writer.fixed(header.merkleRoot);
  writer.u32(header.timestamp);
  writer.u32(header.bits);
  writer.u32(header.nonce);
  return writer.finish();
}

/** 32 bytes, internal order. */
export function blockHash(header: BlockHeader): Uint8Array {
  return doubleSha256(headerBytes(header));
}

/** The root of Bitcoin's Merkle tree: an odd row repeats its last hash. */
export function merkleRoot(txids: readonly Uint8Array[]): Uint8Array {
  let row = [...txids];
  while (row.length > 1) {
    const next: Uint8Array[] = [];
    for (let i = 0; i < row.length; i += 2) {
      const left = row[i] ?? new Uint8Array(32);
      next.push(doubleSha256(concatBytes(left, row[i + 1] ?? left)));
    }
    row = next;
  }
  return row[0] ?? new Uint8Array(32);
}

function doubleSha256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes));
}

function compactSize(writer: BincodeWriter, value: number): void {
  if (value < 0xfd) {
    writer.u8(value);
  } else if (value <= 0xffff) {
    writer.u8(0xfd);
    writer.u16(value);
  } else {
    writer.u8(0xfe);
    writer.u32(value);
  }
}
