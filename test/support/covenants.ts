// Covenants that pay honestly, and what a node says about their funding; tests bend them out of shape.
import { present } from '../../src/core/assert.js';
import { sha256 } from '../../src/core/hash.js';
import { utf8 } from '../../src/core/bytes.js';
import { encodeCovenant, type CovenantProof, type TransactionTemplate } from '../../src/packet/covenant.js';
import type { InstantProof } from '../../src/packet/proof.js';
import { covenantScripts, templateHashOf } from '../../src/payment/instant.js';
import { ISSUED_AT } from './invoices.js';

/** A script that pays this node, and one that pays whoever made the covenant. */
export const RECEIVE_SCRIPT: Uint8Array = Uint8Array.of(0x00, 0x20, ...sha256(utf8('receive')));
export const CHANGE_SCRIPT: Uint8Array = Uint8Array.of(0x00, 0x20, ...sha256(utf8('change')));

/** Satoshis that the covenants below pay. */
export const PAID_SATS = 10n;

export interface TestOutPoint {
  readonly hash: Uint8Array;
  readonly index: number;
}

/** Spends an output; pays 10 sats to this node, and 90 of change. */
export function template(
  funding: TestOutPoint,
  changes: Partial<TransactionTemplate> = {},
): TransactionTemplate {
  return {
    version: 2,
    inputs: [{ prevoutHash: funding.hash, prevoutIndex: funding.index, sequence: 0xffff_fffd }],
    outputs: [
      { value: PAID_SATS, scriptPubkey: RECEIVE_SCRIPT },
      { value: 90n, scriptPubkey: CHANGE_SCRIPT },
    ],
    lockTime: 0,
    ...changes,
  };
}

/** A covenant whose hash is right, with what is said otherwise. */
export function covenantOf(
  transactionTemplate: TransactionTemplate,
  lies: Partial<CovenantProof> = {},
): CovenantProof {
  return {
    templateHash: templateHashOf(transactionTemplate),
    transactionTemplate,
    paymentRequestId: '',
    createdAt: BigInt(ISSUED_AT),
    signature: null,
    ...lies,
  };
}

export function instantProof(covenant: CovenantProof, lies: Partial<InstantProof> = {}): InstantProof {
  return {
    kind: 'InstantSettlement',
    covenantProof: encodeCovenant(covenant),
    outputIndex: 0,
    merkleProof: [],
    amountSats: present(covenant.transactionTemplate.outputs[0], 'a covenant pays').value,
    timestamp: BigInt(ISSUED_AT),
    ...lies,
  };
}

/** The two output scripts that fund a template, whatever it spends: the hash does not cover that. */
export function fundingScripts(changes: Partial<TransactionTemplate> = {}): {
  readonly bare: Uint8Array;
  readonly p2wsh: Uint8Array;
} {
  return covenantScripts(templateHashOf(template({ hash: new Uint8Array(32), index: 0 }, changes)));
}
