// Template hashes: the official ones, our own, and the strictness of the transaction reader under them.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectLine } from '../../../src/api/inspect/inspect.js';
import { inspectTools } from '../../../src/api/inspect/tools.js';
import { present } from '../../../src/core/assert.js';
import { BincodeWriter } from '../../../src/core/bincode.js';
import { concatBytes, fromHex, toHex } from '../../../src/core/bytes.js';
import type { Decoded } from '../../../src/core/codec.js';
import { LIMITS } from '../../../src/core/limits.js';
import { reasonName } from '../../../src/core/reasons.js';
import { bip119Hash, hostTemplateHash } from '../../../src/payment/ctv/template-hash.js';
import { readTransaction, type BitcoinTransaction } from '../../../src/payment/ctv/transaction.js';
import { sharedText } from '../../support/shared.js';

interface OwnVector {
  readonly name: string;
  readonly tx: string;
  readonly index: number;
  readonly bip119: string;
  readonly host: string;
}

interface OfficialVector {
  readonly hex_tx: string;
  readonly spend_index: readonly number[];
  readonly result: readonly string[];
}

/** Made from transactions of our own by a second implementation, in another language. */
const own = readFileSync(new URL('../../vectors/ctv.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as OwnVector);
const tools = inspectTools('0.1.83');

function bytesOf(hex: string): Uint8Array {
  return present(fromHex(hex), 'a vector is hex');
}

function transactionOf(hex: string): BitcoinTransaction {
  const decoded = readTransaction(bytesOf(hex));
  if (!decoded.ok) throw new Error(decoded.failure.detail);
  return decoded.value;
}

/** `ok`, or the reason by name. */
function told(decoded: Decoded<unknown>): string {
  return decoded.ok ? 'ok' : reasonName(decoded.failure.reason);
}

/** A transaction without witness as its bytes. */
function written({ version, inputs, outputs, lockTime }: BitcoinTransaction): Uint8Array {
  const writer = new BincodeWriter();
  const size = (value: number): void => {
    if (value < 0xfd) writer.u8(value);
    else {
      writer.u8(0xfd);
      writer.u16(value);
    }
  };
  writer.u32(version);
  size(inputs.length);
  for (const { prevoutHash, prevoutIndex, scriptSig, sequence } of inputs) {
    writer.fixed(prevoutHash);
    writer.u32(prevoutIndex);
    size(scriptSig.length);
    writer.fixed(scriptSig);
    writer.u32(sequence);
  }
  size(outputs.length);
  for (const { value, scriptPubkey } of outputs) {
    writer.u64(value);
    size(scriptPubkey.length);
    writer.fixed(scriptPubkey);
  }
  writer.u32(lockTime);
  return writer.finish();
}

describe('ctv > template hash', () => {
  it('is that of the 400 official vectors, through inspect', () => {
    const text = sharedText('vectors/bip119-ctvhash.json');
    if (text === null) return;
    const vectors = JSON.parse(text) as readonly OfficialVector[];
    let checked = 0;
    for (const { hex_tx: hex, spend_index: indices, result } of vectors) {
      for (const [at, index] of indices.entries()) {
        expect(inspectLine('ctv', `${hex}:${index}`, tools)).toEqual({ ok: true, value: result[at] });
        checked += 1;
      }
    }
    expect(checked).toBe(400);
  });

  it.each(own)('is that of our own vectors: $name', ({ tx, index, bip119 }) => {
    expect(toHex(bip119Hash(transactionOf(tx), index))).toBe(bip119);
    expect(inspectLine('ctv', ` ${tx.toUpperCase()}:${index}\n`, tools)).toEqual({ ok: true, value: bip119 });
  });

  it.each(own)("cheat 49 > of the host node's kind is another: $name", ({ tx, index, bip119, host }) => {
    const hash = toHex(hostTemplateHash(transactionOf(tx), index));
    expect(hash).toBe(host);
    expect(hash).not.toBe(bip119);
  });

  it('covers version, lock time, sequences, outputs and index, not what it spends nor the witness', () => {
    const vector = present(
      own.find(({ name }) => name === 'with witness'),
      'the vector is there',
    );
    const transaction = transactionOf(vector.tx);
    const [first, ...others] = transaction.inputs;
    const input = present(first, 'it has an input');
    const [output] = transaction.outputs;
    const hash = (changes: Partial<BitcoinTransaction>, index = 0): string =>
      toHex(bip119Hash({ ...transaction, ...changes }, index));
    const same = hash({});
    expect(
      hash({ inputs: [{ ...input, prevoutHash: new Uint8Array(32), prevoutIndex: 9 }, ...others] }),
    ).toBe(same);
    expect(hash({ hasWitness: false })).toBe(same);
    const changed = [
      hash({ version: transaction.version + 1 }),
      hash({ lockTime: transaction.lockTime + 1 }),
      hash({ inputs: [{ ...input, sequence: input.sequence ^ 1 }, ...others] }),
      hash({ inputs: [input] }),
      hash({ inputs: [{ ...input, scriptSig: Uint8Array.of(0) }, ...others] }),
      hash({ outputs: transaction.outputs.toReversed() }),
      hash({ outputs: [{ ...present(output, 'it has an output'), value: 1n }] }),
      hash({}, 1),
    ];
    expect(new Set([same, ...changed]).size).toBe(changed.length + 1);
  });
});

describe('ctv > transaction reader', () => {
  const [plain, withWitness] = [own[0], own[1]].map((vector) => present(vector, 'a vector').tx);
  const valid = own.map(({ tx }) => bytesOf(tx)).filter((bytes) => bytes.length < 1_000);

  it('reads fields as they stand', () => {
    const { version, inputs, outputs, lockTime, hasWitness } = transactionOf(
      present(withWitness, 'a vector'),
    );
    expect({ version, inputs: inputs.length, outputs: outputs.length, lockTime, hasWitness }).toEqual({
      version: 2,
      inputs: 2,
      outputs: 2,
      lockTime: 0,
      hasWitness: true,
    });
    expect(outputs.map(({ scriptPubkey }) => scriptPubkey.length)).toEqual([22, 22]);
    expect(transactionOf(present(plain, 'a vector')).hasWitness).toBe(false);
  });

  it('refuses every truncation, and a byte too many', () => {
    for (const bytes of valid) {
      for (let length = 0; length < bytes.length; length++) {
        expect(told(readTransaction(bytes.subarray(0, length)))).not.toBe('ok');
      }
      expect(told(readTransaction(concatBytes(bytes, Uint8Array.of(0))))).toBe('TrailingBytes');
    }
  });

  it.each<[string, string, string]>([
    ['no input', '0200000000', 'Truncated'],
    ['a zero in place of the inputs, which is the witness marker', '02000000000000000000', 'BadWitness'],
    ['another flag than 1', '020000000002', 'BadWitness'],
    ['a witness marker and no input', '02000000000100', 'NoFundingInput'],
    ['a count of one written in three bytes', `02000000fd0100${'00'.repeat(41)}`, 'NotCanonical'],
    ['a count of 252 written in three bytes', `02000000fdfc00${'00'.repeat(41)}`, 'NotCanonical'],
    ['a count of 65,535 written in five bytes', `02000000feffff0000${'00'.repeat(41)}`, 'NotCanonical'],
    ['a count of 2^32-1 written in nine bytes', `02000000ffffffffff00000000`, 'NotCanonical'],
    ['more inputs than bytes', `02000000ffffffffffffffffff${'00'.repeat(41)}`, 'LengthBeyondInput'],
    ['two inputs in the bytes of one', `0200000002${'00'.repeat(41)}`, 'LengthBeyondInput'],
  ])('refuses %s', (_what, hex, reason) => {
    expect(told(readTransaction(bytesOf(hex)))).toBe(reason);
  });

  it('refuses a witness of which every part is empty', () => {
    const hex = present(plain, 'a vector');
    const body = hex.slice(8, -8);
    expect(told(readTransaction(bytesOf(`02000000${body}00000000`)))).toBe('ok');
    expect(told(readTransaction(bytesOf(`020000000001${body}00` + '00000000')))).toBe('BadWitness');
    expect(told(readTransaction(bytesOf(`020000000001${body}0100` + '00000000')))).toBe('ok');
  });

  it('refuses more bytes than any block holds before it reads them', () => {
    expect(told(readTransaction(new Uint8Array(LIMITS.TRANSACTION_BYTES + 1)))).toBe('InputTooLong');
  });

  it('never throws, and what it accepts without witness is written back as the same bytes', () => {
    const mutated = fc
      .tuple(fc.constantFrom(...valid), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
      .map(([bytes, changes]) => {
        const copy = bytes.slice();
        for (const [at, byte] of changes) copy[at % copy.length] = byte;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const decoded = readTransaction(bytes);
        if (!decoded.ok) return decoded.failure.detail !== '';
        const { hasWitness, inputs } = decoded.value;
        const isSame = hasWitness || toHex(written(decoded.value)) === toHex(bytes);
        return isSame && inputs.length > 0 && bip119Hash(decoded.value, 0).length === 32;
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('ctv > inspect', () => {
  const tx = present(own[0], 'a vector').tx;

  it.each<[string, string, string]>([
    ['nothing', '', 'BadInputIndex'],
    ['no index', tx, 'BadInputIndex'],
    ['an empty index', `${tx}:`, 'BadInputIndex'],
    ['a negative index', `${tx}:-1`, 'BadInputIndex'],
    ['an index with a zero in front', `${tx}:00`, 'BadInputIndex'],
    ['an index beyond 32 bits', `${tx}:4294967296`, 'BadInputIndex'],
    ['an index of many digits', `${tx}:99999999999999999999`, 'BadInputIndex'],
    ['an index that is no number', `${tx}:0x0`, 'BadInputIndex'],
    ['a transaction that is not hex', 'zz:0', 'NotHex'],
    ['two indices', `${tx}:0:0`, 'NotHex'],
    ['no transaction', ':0', 'Truncated'],
    ['a transaction cut short', `${tx.slice(0, -2)}:0`, 'Truncated'],
  ])('refuses %s', (_what, line, reason) => {
    expect(inspectLine('ctv', line, tools)).toMatchObject({ ok: false, reason });
  });

  it('refuses a line beyond any transaction before it reads it', () => {
    const line = 'a'.repeat(2 * LIMITS.TRANSACTION_BYTES + 12);
    expect(inspectLine('ctv', line, tools)).toMatchObject({ ok: false, reason: 'InputTooLong' });
  });
});
