/**
 * Bitcoin transactions for the fuzzer, as template hashes are made of them.
 *
 * Beside the common invariants: what is accepted ends where it ends (a byte more or less is refused), and its BIP119
 * hash is never the host node's (payments.md, InstantSettlement).
 */
import { present } from '../../core/assert.js';
import { concatBytes, equalBytes, fromHex } from '../../core/bytes.js';
import { Reason, reasonOf } from '../../core/reasons.js';
import { bip119Hash, hostTemplateHash } from '../../payment/ctv/template-hash.js';
import { readTransaction } from '../../payment/ctv/transaction.js';
import type { FuzzTarget } from './targets.js';

/** One input and one output; two of each with a witness; three inputs with scripts. */
const SAMPLES: readonly string[] = [
  '0200000001f2d622edc41737495a9d082e7cd80fbdef0fbac8382a79ee58ace48911a153aa08000000000000000001b5' +
    'd74c14493b070016f4bf966df18373a15212c2f6c14e4a3e145a95fdb12d00000000',
  '020000000001023b3dd0f0d50da7cfc52649471d3dfe3552529b78d0b9459593abf304cf3dcb67040000000000000000' +
    'ac2d84ad95fd97a8e8b7ee5679446235bf306f2132522976bf954003916a03cf0800000000ffffffff02c127af7b0c0e' +
    '0300165828177989241b89191b52f18adf7ff026c8599a38992021b48ce9790100167cb348c5e4be0a10521ea20122ac' +
    '682b847130b8521c0216d71e569a78309c28c79ec8d6b569dd53991ca7c00278000000000000',
  '0200000003688cff612b87bb9be256a35e73e96e3493fdee8456e50c8dd683b33a4eb541bd0300000036855116a2e33f' +
    '6b265c9dea633bea614e8775fd896196b1a357d7e80035b218059588ecfdcddf427392dd60dfe92b67692aeb1c070609' +
    'ffffffff42c5d95328de30487d9f2b6256af73f1b359152b9ede4c59d5f316dad2eb9b8d0200000038685abea36ca6a6' +
    'ce74a5a817aca362f4040ea0fe4d838392d27090e943d3f55bf7e6b222a161efd1fc9681b03c35cd43ad0c192fbbd8b0' +
    '0a000000002996ced86268dfad9ad736af2f02d706c0aad9684dc8fab523ace329272a07d4020000001c79f08cf48638' +
    'e0d27e24a0fca3291a99f4f6b48748db4d359a6fe31000000000028c65c23e88f7030016615b3080389790e8059b8844' +
    '129da474a6dc200397757b8acab940c10200167e055ab9eede7c9751dd4ee369dde99e6768bed9883e00000000',
];

export function transactionTarget(): FuzzTarget {
  return {
    name: 'transaction',
    samples: SAMPLES.map((hex) => present(fromHex(hex), 'a sample is hex')),
    check: (input) => {
      const decoded = readTransaction(input);
      if (!decoded.ok) {
        const { reason } = decoded.failure;
        const isNamed = reasonOf(reason) !== null && reason !== Reason.Accepted;
        return isNamed ? 'refused' : { fault: 'refused without a reason' };
      }
      const isExact =
        !readTransaction(input.subarray(0, -1)).ok &&
        !readTransaction(concatBytes(input, Uint8Array.of(0))).ok;
      if (!isExact) return { fault: 'accepted with a byte more or less' };
      const hash = bip119Hash(decoded.value, 0);
      const isOwn = hash.length === 32 && !equalBytes(hash, hostTemplateHash(decoded.value, 0));
      return isOwn ? 'accepted' : { fault: "a template hash that is the host node's" };
    },
  };
}
