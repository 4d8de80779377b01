/**
 * What an output under CHECKTEMPLATEVERIFY commits to: the hash of the transaction that may spend it.
 *
 * Rules: BIP119 (one SHA-256 over fields of fixed width, and hashes of the variable ones); payments.md,
 * InstantSettlement. The hash that the host node makes of the same transaction is another, and stands here under
 * its own name so that a proof made with it can be told.
 */
import { BincodeWriter } from '../../core/bincode.js';
import { sha256 } from '../../core/hash.js';

/** A transaction as far as a template hash covers it; a BitcoinTransaction is one. */
export interface TemplateFields {
  readonly version: number;
  readonly lockTime: number;
  readonly inputs: readonly { readonly scriptSig: Uint8Array; readonly sequence: number }[];
  readonly outputs: readonly { readonly value: bigint; readonly scriptPubkey: Uint8Array }[];
}

/**
 * DefaultCheckTemplateVerifyHash: 32 bytes.
 * @param inputIndex u32: the input that spends the covenant. It is hashed as it is, whether there is such an input
 */
export function bip119Hash(transaction: TemplateFields, inputIndex: number): Uint8Array {
  const { inputs, outputs } = transaction;
  const writer = new BincodeWriter();
  writer.u32(transaction.version);
  writer.u32(transaction.lockTime);
  if (inputs.some(({ scriptSig }) => scriptSig.length > 0)) {
    writer.fixed(
      hashOf((scripts) => {
        for (const { scriptSig } of inputs) writeBytes(scripts, scriptSig);
      }),
    );
  }
  writer.u32(inputs.length);
  writer.fixed(
    hashOf((sequences) => {
      for (const { sequence } of inputs) sequences.u32(sequence);
    }),
  );
  writer.u32(outputs.length);
  writer.fixed(
    hashOf((written) => {
      writeOutputs(written, outputs);
    }),
  );
  writer.u32(inputIndex);
  return sha256(writer.finish());
}

/** What the host node's hash covers besides. */
export interface HostTemplateFields extends Omit<TemplateFields, 'inputs'> {
  readonly inputs: readonly {
    /** 32 bytes, in the order of the serialisation. */
    readonly prevoutHash: Uint8Array;
    readonly prevoutIndex: number;
    readonly sequence: number;
  }[];
}

/**
 * The host node's own template hash, 32 bytes: for comparison only, never accepted as BIP119's.
 *
 * The node publishes no vectors of it. By its description (payments.md: double SHA-256, varint counts, prevouts
 * included) this is taken to be SHA-256(SHA-256(bytes)) with bytes = version u32, compact size of inputs, each
 * input as prevout hash, prevout index u32 and sequence u32, compact size of outputs, each output as value u64,
 * compact size of its script and the script, lock time u32, input index u32; integers little endian.
 */
export function hostTemplateHash(transaction: HostTemplateFields, inputIndex: number): Uint8Array {
  const { inputs, outputs } = transaction;
  const writer = new BincodeWriter();
  writer.u32(transaction.version);
  writeCompactSize(writer, inputs.length);
  for (const { prevoutHash, prevoutIndex, sequence } of inputs) {
    writer.fixed(prevoutHash);
    writer.u32(prevoutIndex);
    writer.u32(sequence);
  }
  writeCompactSize(writer, outputs.length);
  writeOutputs(writer, outputs);
  writer.u32(transaction.lockTime);
  writer.u32(inputIndex);
  return sha256(sha256(writer.finish()));
}

function hashOf(write: (writer: BincodeWriter) => void): Uint8Array {
  const writer = new BincodeWriter();
  write(writer);
  return sha256(writer.finish());
}

function writeOutputs(writer: BincodeWriter, outputs: TemplateFields['outputs']): void {
  for (const { value, scriptPubkey } of outputs) {
    writer.u64(value);
    writeBytes(writer, scriptPubkey);
  }
}

function writeBytes(writer: BincodeWriter, bytes: Uint8Array): void {
  writeCompactSize(writer, bytes.length);
  writer.fixed(bytes);
}

/** Bitcoin's variable-length integer. */
function writeCompactSize(writer: BincodeWriter, size: number): void {
  if (size < 0xfd) {
    writer.u8(size);
  } else if (size <= 0xffff) {
    writer.u8(0xfd);
    writer.u16(size);
  } else {
    writer.u8(0xfe);
    writer.u32(size);
  }
}
