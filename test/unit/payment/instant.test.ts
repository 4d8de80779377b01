// InstantSettlement (payments.md): what is refused without asking the node, what is asked, how answers are judged.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { U64_MAX } from '../../../src/core/bincode.js';
import { toHex } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { reasonName, type ReasonName } from '../../../src/core/reasons.js';
import {
  encodeCovenant,
  type CovenantProof,
  type TransactionTemplate,
} from '../../../src/packet/covenant.js';
import type { InstantProof } from '../../../src/packet/proof.js';
import { judgeAnswer } from '../../../src/payment/answer.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { hostTemplateHash } from '../../../src/payment/ctv/template-hash.js';
import { covenantScripts } from '../../../src/payment/instant.js';
import { instantKey, KEEP_KEY_FOREVER } from '../../../src/payment/keys.js';
import type { NodeQuestion, UtxoFacts } from '../../../src/payment/question.js';
import { PaymentVerifier, type VerificationResult } from '../../../src/payment/verifier.js';
import {
  CHANGE_SCRIPT,
  covenantOf,
  instantProof,
  PAID_SATS,
  RECEIVE_SCRIPT,
  template,
} from '../../support/covenants.js';
import { ISSUED_AT } from '../../support/invoices.js';
import { paidPacket, testPolicy } from '../../support/paid-packets.js';

const FUNDING = { hash: new Uint8Array(32).fill(7), index: 3 };
const NOW = ISSUED_AT + 60;
/** Price of paidPacket under testPolicy. */
const PRICE = 1_310n;
const decoder = new Bolt11Decoder();

function judge(proof: InstantProof, policy: Partial<JudgePolicy> = {}): VerificationResult {
  const rules = testPolicy({ ctv: true, receiveScripts: [toHex(RECEIVE_SCRIPT).toUpperCase()], ...policy });
  const verifier = new PaymentVerifier(rules, decoder);
  return verifier.verify(proof, { packet: paidPacket(proof), nowSeconds: NOW });
}

/** The verdict on a covenant with a right hash, bent as said. */
function judgeTemplate(
  changes: Partial<TransactionTemplate>,
  lies: Partial<InstantProof> = {},
): VerificationResult {
  return judge(instantProof(covenantOf(template(FUNDING, changes)), lies));
}

function told(result: VerificationResult): string {
  return result.needs === null ? reasonName(result.reason) : `asks ${result.needs.kind}`;
}

const honest = covenantOf(template(FUNDING));
const question = present(judge(instantProof(honest)).needs, 'an honest covenant leaves a question');

describe('instant settlement > before the node is asked', () => {
  it('an honest covenant leaves its funding to be asked, and is not verified yet', () => {
    const replayKey = instantKey(FUNDING.hash, FUNDING.index);
    expect(judge(instantProof(honest))).toEqual({
      verified: false,
      amountMsat: 0n,
      priceMsat: PRICE,
      payee: null,
      replayKey,
      expiresAt: 0,
      reason: 425, // PaymentUnknown: what it is refused as where nobody asks
      needs: {
        kind: 'utxo',
        txid: FUNDING.hash,
        vout: FUNDING.index,
        expects: { templateHash: honest.templateHash, valueSats: 100n },
        payment: { amountMsat: 10_000n, priceMsat: PRICE, replayKey },
      },
    });
  });

  it('nothing is accepted where ctv is off', () => {
    expect(reasonName(judge(instantProof(honest), { ctv: false }).reason)).toBe('CtvDisabled');
    expect(judge(instantProof(honest), { ctv: false }).needs).toBeNull();
  });

  it.each<[string, VerificationResult, string]>([
    [
      'cheat 47 > the output index points at change',
      judgeTemplate({}, { outputIndex: 1, amountSats: 90n }),
      'OutputNotAccepted',
    ],
    ['an output index beyond the outputs', judgeTemplate({}, { outputIndex: 2 }), 'OutputIndexUnknown'],
    ['the highest output index', judgeTemplate({}, { outputIndex: 0xffff_ffff }), 'OutputIndexUnknown'],
    ['no outputs', judge(instantProof(honest, noOutputs())), 'OutputIndexUnknown'],
    ['claimed more than the output', judgeTemplate({}, { amountSats: PAID_SATS + 1n }), 'AmountMismatch'],
    ['claimed less than the output', judgeTemplate({}, { amountSats: PAID_SATS - 1n }), 'AmountMismatch'],
    ['an output below the price', paying(1n), 'AmountTooLow'],
    ['an output that just covers the price', paying(2n), 'asks utxo'],
    ['an output that 64 bits of msat do not hold', paying(U64_MAX / 1_000n + 1n), 'AmountNotExact'],
    ['an output of 2^64-1 sats', paying(U64_MAX), 'AmountNotExact'],
    ['no input', judgeTemplate({ inputs: [] }), 'NoFundingInput'],
    [
      'several inputs',
      judgeTemplate({ inputs: [...honest.transactionTemplate.inputs, other()] }),
      'asks utxo',
    ],
    ['a proof dated ahead', judgeTemplate({}, { timestamp: BigInt(NOW + 121) }), 'ProofFromFuture'],
  ])('%s', (_what, result, expected) => {
    expect(told(result)).toBe(expected);
  });

  it("cheat 49 > a hash of the host node's kind is refused, and named", () => {
    const templateHash = hostTemplateHash(honest.transactionTemplate, 0);
    expect(told(judge(instantProof({ ...honest, templateHash })))).toBe('HostTemplateHash');
  });

  it('a hash that is not that of the template, in any bit of either', () => {
    for (let bit = 0; bit < 256; bit++) {
      const templateHash = honest.templateHash.slice();
      templateHash[bit >> 3] = present(templateHash[bit >> 3], 'a byte') ^ (1 << (bit & 7));
      expect(told(judge(instantProof({ ...honest, templateHash })))).toBe('TemplateHashMismatch');
    }
    const others: readonly Partial<TransactionTemplate>[] = [
      { version: 1 },
      { lockTime: 1 },
      { inputs: [{ ...other(), sequence: 0 }] },
      { outputs: honest.transactionTemplate.outputs.slice(0, 1) },
    ];
    for (const changes of others) {
      const { templateHash } = honest;
      expect(told(judge(instantProof(covenantOf(template(FUNDING, changes), { templateHash }))))).toBe(
        'TemplateHashMismatch',
      );
    }
  });

  it('pays to any of the receive scripts, and to none where there are none', () => {
    const receiveScripts = [toHex(CHANGE_SCRIPT), toHex(RECEIVE_SCRIPT)];
    expect(told(judge(instantProof(honest), { receiveScripts }))).toBe('asks utxo');
    const change = instantProof(honest, { outputIndex: 1, amountSats: 90n });
    expect(told(judge(change, { receiveScripts }))).toBe('asks utxo');
    expect(told(judge(instantProof(honest), { receiveScripts: [] }))).toBe('OutputNotAccepted');
  });

  it('decodes strictly: every truncation, a byte too many, junk, and more than is relayed', () => {
    const bytes = encodeCovenant(honest);
    const bent = (covenantProof: Uint8Array): VerificationResult =>
      judge(instantProof(honest, { covenantProof }));
    for (let length = 0; length < bytes.length; length++) {
      expect(bent(bytes.subarray(0, length))).toMatchObject({
        verified: false,
        needs: null,
        replayKey: null,
      });
    }
    expect(told(bent(new Uint8Array([...bytes, 0])))).toBe('TrailingBytes');
    expect(told(bent(new Uint8Array(LIMITS.COVENANT_BYTES + 1)))).toBe('InputTooLong');
  });

  it('has one key per funding output, whatever else the sender varies', () => {
    const key = (covenant: CovenantProof, lies: Partial<InstantProof> = {}): string =>
      toHex(present(judge(instantProof(covenant, lies)).replayKey, 'a covenant has a key'));
    const first = key(honest);
    expect(key({ ...honest, paymentRequestId: 'other', createdAt: 1n, signature: new Uint8Array(64) })).toBe(
      first,
    );
    expect(key(honest, { timestamp: 1n, merkleProof: null })).toBe(first);
    expect(key(honest, { merkleProof: [new Uint8Array(32)] })).toBe(first);
    expect(key(covenantOf(template(FUNDING, { version: 1 })))).toBe(first);
    expect(key(covenantOf(template({ ...FUNDING, index: 4 })))).not.toBe(first);
  });
});

describe('instant settlement > what the node says', () => {
  const { bare, p2wsh } = covenantScripts(honest.templateHash);
  const utxo = (changes: Partial<UtxoFacts> = {}): UtxoFacts => ({
    value: 100n,
    scriptPubkey: bare,
    ...changes,
  });
  const reasonOf = (facts: UtxoFacts | null): ReasonName =>
    reasonName(judgeAnswer(question, { kind: 'utxo', utxo: facts }).reason);

  it('a funded covenant is verified, and its key is kept for good', () => {
    for (const scriptPubkey of [bare, p2wsh]) {
      expect(judgeAnswer(question, { kind: 'utxo', utxo: utxo({ scriptPubkey }) })).toEqual({
        verified: true,
        amountMsat: 10_000n,
        priceMsat: PRICE,
        payee: null,
        replayKey: question.payment.replayKey,
        expiresAt: KEEP_KEY_FOREVER,
        reason: 0,
        needs: null,
      });
    }
  });

  it('scripts are those of BIP119: 32 bytes pushed and the opcode, or the SHA-256 of that under version 0', () => {
    expect(toHex(bare)).toBe(`20${toHex(honest.templateHash)}b3`);
    expect(toHex(p2wsh)).toMatch(/^0020[\da-f]{64}$/);
  });

  it.each<[string, UtxoFacts | null, ReasonName]>([
    ['cheat 48 > spent or absent funding', null, 'FundingMissing'],
    ['an output that covers more', utxo({ value: 101n }), 'Accepted'],
    ['an output one sat short', utxo({ value: 99n }), 'FundingTooLow'],
    ['an output of a negative value', utxo({ value: -1n }), 'FundingTooLow'],
    [
      'an output to the receive script itself',
      utxo({ scriptPubkey: RECEIVE_SCRIPT }),
      'FundingScriptMismatch',
    ],
    ['an output without script', utxo({ scriptPubkey: new Uint8Array(0) }), 'FundingScriptMismatch'],
    ['an output with more behind the covenant', script([...bare, 0x51]), 'FundingScriptMismatch'],
    ['an output with something before it', script([0x51, ...bare]), 'FundingScriptMismatch'],
    ['an output of another opcode', script([...bare.subarray(0, 33), 0xb2]), 'FundingScriptMismatch'],
    ['an output of witness version 1', script([0x51, ...p2wsh.subarray(1)]), 'FundingScriptMismatch'],
  ])('%s', (_what, facts, reason) => {
    expect(reasonOf(facts)).toBe(reason);
  });

  it("cheat 49 > an output that commits to the host node's hash of the template", () => {
    const host = covenantScripts(hostTemplateHash(honest.transactionTemplate, 0));
    for (const scriptPubkey of [host.bare, host.p2wsh]) {
      expect(reasonOf(utxo({ scriptPubkey }))).toBe('FundingScriptMismatch');
    }
  });

  it('outputs that together exceed 64 bits are not covered by anything', () => {
    const outputs = [
      { value: PAID_SATS, scriptPubkey: RECEIVE_SCRIPT },
      { value: U64_MAX, scriptPubkey: CHANGE_SCRIPT },
    ];
    const asked = present(judgeTemplate({ outputs }).needs, 'the sum is for the node to cover');
    const scripts = covenantScripts(covenantOf(template(FUNDING, { outputs })).templateHash);
    const facts = utxo({ value: (1n << 63n) - 1n, scriptPubkey: scripts.bare });
    expect(reasonName(judgeAnswer(asked, { kind: 'utxo', utxo: facts }).reason)).toBe('FundingTooLow');
  });

  it('no answer, or one to another question, verifies nothing', () => {
    const other: NodeQuestion = question;
    for (const answer of [{ kind: 'none' }, { kind: 'paymentState', state: null }] as const) {
      const result = judgeAnswer(other, answer);
      expect(result).toMatchObject({ verified: false, amountMsat: 0n, expiresAt: 0, needs: null });
      expect(reasonName(result.reason)).toBe('PaymentUnknown');
    }
  });

  it('whatever output is found, only one that commits and covers is good', () => {
    const scripts = fc.oneof(fc.constant(bare), fc.constant(p2wsh), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(scripts, fc.bigInt({ min: -10n, max: 200n }), (scriptPubkey, value) => {
        const isGood = value >= 100n && [toHex(bare), toHex(p2wsh)].includes(toHex(scriptPubkey));
        expect(reasonOf({ scriptPubkey, value }) === 'Accepted').toBe(isGood);
      }),
      { numRuns: 300 },
    );
  });

  function script(bytes: readonly number[]): UtxoFacts {
    return utxo({ scriptPubkey: Uint8Array.from(bytes) });
  }
});

function other(): TransactionTemplate['inputs'][number] {
  return { prevoutHash: new Uint8Array(32).fill(8), prevoutIndex: 0, sequence: 0 };
}

function noOutputs(): Partial<InstantProof> {
  return { covenantProof: encodeCovenant(covenantOf(template(FUNDING, { outputs: [] }))) };
}

/** A covenant that pays so many sats, and claims that. */
function paying(value: bigint): VerificationResult {
  return judgeTemplate({ outputs: [{ value, scriptPubkey: RECEIVE_SCRIPT }] });
}
