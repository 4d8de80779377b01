// Cheats 44 to 50: what the node remembers, and what only its node can tell about payments on the chain.
import { expect } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import type { PacketOutcome } from '../../src/engine/packet-outcome.js';
import { Reason } from '../../src/core/reasons.js';
import type { PaymentState, Utxo } from '../../src/node/messages.js';
import type { OnChainProof } from '../../src/packet/proof.js';
import { hostTemplateHash } from '../../src/payment/ctv/template-hash.js';
import { covenantOf, fundingScripts, instantProof, RECEIVE_SCRIPT, template } from '../support/covenants.js';
import { again, over, packet, ping, REPLAY_KEYS, type Arrange } from '../support/engine-cheats.js';
import type { EngineNet, EngineNetOptions } from '../support/engine-net.js';
import { cheat, type Cheat } from './catalogue.js';

const HIGHEST = (1n << 64n) - 1n;

const TX_HASH = new Uint8Array(32).fill(9);
const SETTLED: PaymentState = {
  payment_id: 'request',
  status: 'settled',
  amount_sats: 10n,
  tx_hash: TX_HASH,
  confirmations: 1,
  reason: null,
};
const FUNDED: Utxo = { value: 100n, script_pubkey: fundingScripts().bare, height: 1n, is_coinbase: false };
const FUNDING = { hash: TX_HASH, index: 0 };

/** Nodes that take covenants to their receive script. */
const CHAIN: Partial<EngineNetOptions> = {
  policy: () => ({ ctv: true, receiveScripts: [toHex(RECEIVE_SCRIPT)] }),
};

/** What node 1's Bitcoin node says. */
function tell(net: EngineNet, says: { state?: PaymentState | null; utxo?: Utxo | null }): void {
  const { chain } = net.node(1);
  if (says.state !== undefined) chain.getPaymentState = () => Promise.resolve(says.state ?? null);
  if (says.utxo !== undefined) chain.getUtxo = () => Promise.resolve(says.utxo ?? null);
}

/** A settled payment request of node 1, with what the sender says otherwise. */
const onChain = (net: EngineNet, lies: Partial<OnChainProof> = {}): OnChainProof => ({
  kind: 'OnChainSettlement',
  paymentRequestId: 'request',
  txHash: TX_HASH,
  amountSats: 10n,
  timestamp: BigInt(net.clock.unixSeconds()),
  ...lies,
});

/** A packet to node 1 paid by a covenant, which its node says is funded. */
const covenant =
  (of: Parameters<typeof covenantOf>[1], lies: Parameters<typeof instantProof>[1], utxo = FUNDED): Arrange =>
  (net) => {
    tell(net, { utxo });
    return packet(
      () => ({ paymentProof: instantProof(covenantOf(template(FUNDING), of), lies) }),
      [0, 1],
    )(net);
  };

export const STATE_CHEATS: readonly Cheat[] = [
  cheat(
    44,
    "junk proof with sequence 2^64-1 under a victim's id",
    'a packet that node 2 never sent; its own, with sequence 1, must pass',
    'WrongPreimage',
    (net) => {
      const paymentProof = net.pay(1, {}, { preimage: new Uint8Array(32) });
      const honest = (): Promise<PacketOutcome> =>
        net.inject(0, 1, net.packet([0, 1, 2], { ...ping(net), sequence: 1n }));
      return { ...over(net, 2, 1, net.packet([0, 2, 1], { sequence: HIGHEST, paymentProof })), honest };
    },
  ),
  cheat(
    45,
    'flood of junk proofs must not evict real keys',
    'three times as many junk proofs as the table has places, then a used payment',
    'ReplayedPayment',
    again(async (_, net) => {
      for (let n = 0; n < 3 * REPLAY_KEYS; n++) {
        const junk = { ...net.pay(2, { seed: 5 }), preimage: net.random.bytes(32) };
        expect((await net.inject(0, 1, net.packet([0, 1, 2], { paymentProof: junk }))).kind).toBe('refused');
      }
      expect(net.node(1).replay.stats().activeHashes).toBe(1);
      return {};
    }),
  ),
  cheat(
    46,
    'proof for a future block after reorg',
    'a payment that was settled until its block was disconnected',
    'PaymentNotSettled',
    async (net) => {
      tell(net, { state: SETTLED });
      // The node's answer is kept: the same request with another amount does not pass.
      const wrong = net.packet([0, 1], { paymentProof: onChain(net, { amountSats: 11n }) });
      expect(await net.inject(0, 1, wrong)).toEqual({ kind: 'refused', reason: Reason.AmountMismatch });
      tell(net, { state: { ...SETTLED, status: 'pending', confirmations: 0 } });
      net.node(1).settlements.chainChanged();
      return over(net, 0, 1, net.packet([0, 1], { paymentProof: onChain(net) }));
    },
    CHAIN,
  ),
  cheat(
    47,
    'CTV output index pointing at change',
    "a funded covenant, and the index of the sender's own output",
    'OutputNotAccepted',
    covenant({}, { outputIndex: 1, amountSats: 90n }),
    CHAIN,
  ),
  cheat(
    48,
    'CTV with spent or absent funding',
    'a right covenant whose funding output is not there',
    'FundingMissing',
    (net) => {
      const attack = covenant({}, {})(net);
      tell(net, { utxo: null });
      return attack;
    },
    CHAIN,
  ),
  cheat(
    49,
    "CTV hash of the host node's kind",
    'the double hash of the host node as template hash',
    'HostTemplateHash',
    covenant({ templateHash: hostTemplateHash(template(FUNDING), 0) }, {}),
    CHAIN,
  ),
  cheat(
    50,
    "on-chain id of someone else's payment",
    'a settled request, and a transaction that did not settle it',
    'PaymentOtherTransaction',
    (net) => {
      tell(net, { state: SETTLED });
      const paymentProof = onChain(net, { txHash: new Uint8Array(32).fill(8) });
      return over(net, 0, 1, net.packet([0, 1], { paymentProof }));
    },
    CHAIN,
  ),
  cheat(
    50,
    'on-chain id that this node does not know',
    'the id of a request of another node',
    'PaymentRequestUnknown',
    (net) => over(net, 0, 1, net.packet([0, 1], { paymentProof: onChain(net) })),
    CHAIN,
  ),
];
