// Payments on the chain through the engine: the node is asked, its answer judged, the key claimed once; answers are
// kept no longer than they hold; what is not answered in time is not accepted.
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { reasonName } from '../../../src/core/reasons.js';
import type { PacketOutcome } from '../../../src/engine/packet-outcome.js';
import type { Asker } from '../../../src/engine/settlements.js';
import type { PaymentState, Utxo } from '../../../src/node/messages.js';
import type { MeshPacket } from '../../../src/packet/packet.js';
import type { OnChainProof } from '../../../src/packet/proof.js';
import {
  covenantOf,
  fundingScripts,
  instantProof,
  RECEIVE_SCRIPT,
  template,
} from '../../support/covenants.js';
import { EngineNet } from '../../support/engine-net.js';
import type { EngineNode } from '../../support/engine-node.js';

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

/** As a packet of this node's own modules. */
const LOCAL: Asker = { from: null, patience: 'known' };

const nets: EngineNet[] = [];

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

/** A sender, and the node whose requests are paid; the node tells what `chain` says, and counts how often. */
class Bench {
  readonly net: EngineNet;
  asked = 0;
  state: () => Promise<PaymentState | null> = () => Promise.resolve(SETTLED);
  utxo: () => Promise<Utxo | null> = () => Promise.resolve(FUNDED);

  private constructor(net: EngineNet) {
    this.net = net;
    this.node.chain.getPaymentState = () => {
      this.asked += 1;
      return this.state();
    };
    this.node.chain.getUtxo = () => {
      this.asked += 1;
      return this.utxo();
    };
  }

  static async start(policy: Partial<JudgePolicy> = {}): Promise<Bench> {
    const net = await EngineNet.start({
      nodes: 2,
      links: [[0, 1]],
      policy: () => ({ ctv: true, receiveScripts: [toHex(RECEIVE_SCRIPT)], ...policy }),
    });
    nets.push(net);
    return new Bench(net);
  }

  get node(): EngineNode {
    return this.net.node(1);
  }

  packet(paymentProof: MeshPacket['paymentProof']): MeshPacket {
    return this.net.packet([0, 1], { paymentProof });
  }

  onChain(lies: Partial<OnChainProof> = {}): MeshPacket {
    const timestamp = BigInt(this.net.clock.unixSeconds());
    return this.packet({
      kind: 'OnChainSettlement',
      paymentRequestId: 'request',
      txHash: TX_HASH,
      amountSats: 10n,
      timestamp,
      ...lies,
    });
  }

  instant(vout: number): MeshPacket {
    return this.packet(
      instantProof(covenantOf(template({ hash: TX_HASH, index: vout })), { timestamp: 1_800_000_000n }),
    );
  }

  async send(packet: MeshPacket): Promise<string> {
    return told(await this.net.inject(0, 1, packet));
  }
}

function told(outcome: PacketOutcome): string {
  return outcome.kind === 'refused' ? reasonName(outcome.reason) : outcome.kind;
}

describe('settlements > one payment', () => {
  it('that the node confirms is delivered, posted once, and kept used for good', async () => {
    const bench = await Bench.start();
    for (const [index, packet] of [bench.onChain(), bench.instant(0)].entries()) {
      expect(await bench.send(packet)).toBe('delivered');
      expect(bench.asked).toBe(index + 1);
      expect(await bench.send(packet), 'the same packet again').toBe('ReplayedPayment');
      expect(await bench.send({ ...packet, sequence: packet.sequence + 1n })).toBe('ReplayedPayment');
      expect(bench.asked, 'a used payment is not asked about').toBe(index + 1);
    }
    expect(bench.node.ledger.totals()).toMatchObject({ totalMsat: 20_000n, postings: 2 });
    bench.node.replayTable.expire(2 ** 32);
    expect(bench.node.replay.stats().activeHashes).toBe(2);
  });

  it('survives a restart of this node as used', async () => {
    const bench = await Bench.start();
    const packet = bench.instant(0);
    expect(await bench.send(packet)).toBe('delivered');
    await bench.net.restart(1, 'kill');
    await bench.net.until(() => bench.net.areNeighbours(0, 1), 10_000);
    expect(await bench.send(packet)).toBe('ReplayedPayment');
  });

  it('offered many times at once is asked about once, and delivered once', async () => {
    const bench = await Bench.start();
    const packet = bench.onChain();
    const copies = Array.from({ length: 50 }, (_, n) => ({ ...packet, sequence: BigInt(n + 1) }));
    const outcomes = await Promise.all(copies.map((copy) => bench.send(copy)));
    expect(outcomes.filter((outcome) => outcome === 'delivered')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'ReplayedPayment')).toHaveLength(49);
    expect(bench.asked).toBe(1);
  });

  it.each<[string, (bench: Bench) => MeshPacket, Partial<PaymentState> | null, string]>([
    ['an unknown request', (bench) => bench.onChain(), null, 'PaymentRequestUnknown'],
    ['one not settled', (bench) => bench.onChain(), { status: 'pending' }, 'PaymentNotSettled'],
    [
      "cheat 50 > someone else's payment",
      (bench) => bench.onChain({ txHash: new Uint8Array(32) }),
      {},
      'PaymentOtherTransaction',
    ],
    ['another amount', (bench) => bench.onChain({ amountSats: 11n }), {}, 'AmountMismatch'],
  ])('is refused and changes nothing: %s', async (_what, packet, state, reason) => {
    const bench = await Bench.start();
    bench.state = () => Promise.resolve(state === null ? null : { ...SETTLED, ...state });
    const before = bench.node.state();
    expect(await bench.send(packet(bench))).toBe(reason);
    expect(bench.node.state()).toEqual(before);
    expect(bench.node.counters.countOf('packets_paid')).toBe(0);
  });

  it('cheat 48 > spent or absent funding is refused, and good once it is there', async () => {
    const bench = await Bench.start();
    bench.utxo = () => Promise.resolve(null);
    expect(await bench.send(bench.instant(0))).toBe('FundingMissing');
    bench.utxo = () => Promise.resolve(FUNDED);
    expect(await bench.send(bench.instant(0))).toBe('delivered');
  });

  it('is not even asked about where ctv is off', async () => {
    const bench = await Bench.start({ ctv: false });
    expect(await bench.send(bench.instant(0))).toBe('CtvDisabled');
    expect(bench.asked).toBe(0);
  });
});

describe('settlements > answers', () => {
  it('of a settled request are kept until the chain changes', async () => {
    const bench = await Bench.start();
    const wrong = bench.onChain({ amountSats: 11n });
    expect(await bench.send(wrong)).toBe('AmountMismatch');
    expect(await bench.send(wrong)).toBe('AmountMismatch');
    bench.node.settlements.outputsChanged();
    expect(await bench.send(wrong)).toBe('AmountMismatch');
    expect(bench.asked).toBe(1);
    bench.node.settlements.chainChanged();
    bench.state = () => Promise.resolve({ ...SETTLED, status: 'failed', confirmations: 0 });
    expect(await bench.send(bench.onChain()), 'cheat 46').toBe('PaymentNotSettled');
    expect(bench.asked).toBe(2);
  });

  it('are not kept where they may still become better', async () => {
    const bench = await Bench.start({ minConfirmations: 2 });
    expect(await bench.send(bench.onChain())).toBe('TooFewConfirmations');
    expect(await bench.send(bench.onChain({ amountSats: 11n }))).toBe('TooFewConfirmations');
    bench.state = () => Promise.resolve({ ...SETTLED, confirmations: 2 });
    expect(await bench.send(bench.onChain())).toBe('delivered');
    expect(bench.asked).toBe(3);
  });

  it('are not kept where the chain changed while they were under way', async () => {
    const bench = await Bench.start();
    let answer: (state: PaymentState) => void = () => undefined;
    bench.state = () => new Promise((resolve) => (answer = resolve));
    const sent = bench.send(bench.onChain({ amountSats: 11n }));
    await bench.net.until(() => bench.asked === 1, 100);
    bench.node.settlements.chainChanged();
    answer(SETTLED);
    expect(await sent).toBe('AmountMismatch');
    expect(bench.node.settlements.stats()).toEqual({ kept: 0, asking: 0 });
  });

  it('are asked for again after a while, since events may be lost', async () => {
    const bench = await Bench.start();
    const wrong = { amountSats: 11n };
    expect(await bench.send(bench.onChain(wrong))).toBe('AmountMismatch');
    await bench.net.run(LIMITS.SETTLED_MILLIS);
    expect(await bench.send(bench.onChain(wrong))).toBe('AmountMismatch');
    expect(bench.asked).toBe(2);
  });

  it('about funding hold until the next block', async () => {
    const bench = await Bench.start();
    const { settlements } = bench.node;
    const known = (vout: number): Promise<unknown> => settlements.settle(bench.instant(vout), LOCAL);
    expect(await known(0)).toMatchObject({ verified: false });
    await bench.net.until(() => settlements.stats().kept === 1, 100);
    expect(await known(0)).toMatchObject({ verified: true });
    settlements.outputsChanged();
    expect(await known(0)).toMatchObject({ verified: false });
    expect(bench.asked).toBe(2);
  });
});

describe('settlements > a node that does not answer', () => {
  it('is not waited for beyond the deadline: PaymentUnknown, and the key stays free', async () => {
    const bench = await Bench.start();
    bench.state = () => new Promise(() => undefined);
    const sent = bench.send(bench.onChain());
    await bench.net.run(LIMITS.QUESTION_MILLIS + 10);
    expect(await sent).toBe('PaymentUnknown');
    expect(bench.node.replay.stats().activeHashes).toBe(0);
    expect(bench.node.settlements.stats(), 'the question counts until the node is done with it').toEqual({
      kept: 0,
      asking: 1,
    });
  });

  it('or refuses to: PaymentUnknown, and the next one asks again', async () => {
    const bench = await Bench.start();
    bench.state = () => Promise.reject(new Error('refused'));
    expect(await bench.send(bench.onChain())).toBe('PaymentUnknown');
    bench.state = () => Promise.resolve(SETTLED);
    expect(await bench.send(bench.onChain())).toBe('delivered');
  });

  it('has a bounded number of questions to answer, at once and a second, and of those few for one peer', async () => {
    const bench = await Bench.start();
    bench.state = () => new Promise(() => undefined);
    let made = 0;
    const ask = (asker: Asker, times = 200): void => {
      for (let n = 0; n < times; n++) {
        const packet = bench.onChain({ paymentRequestId: `request ${made++}` });
        void bench.node.settlements.settle(packet, asker);
      }
    };
    const askedBy = (asker: Asker): number => {
      const before = bench.asked;
      ask(asker);
      return bench.asked - before;
    };
    expect(askedBy({ from: 'flood', patience: 'known' })).toBe(5);
    expect(askedBy({ from: 'other', patience: 'known' })).toBe(5);
    expect(askedBy(LOCAL)).toBe(10);
    expect(askedBy({ from: 'third', patience: 'known' })).toBe(0);
    for (let second = 0; second < 10; second++) {
      await bench.net.run(1_000);
      ask(LOCAL);
    }
    expect(bench.asked).toBe(LIMITS.QUESTIONS_IN_FLIGHT);
    expect(bench.node.counters.countOf('questions_dropped')).toBeGreaterThan(0);
  });

  it('is waited for by a bounded number of packets', async () => {
    const bench = await Bench.start();
    bench.state = () => new Promise(() => undefined);
    const asker = { from: 'peer', patience: 'asked' } as const;
    let settled = 0;
    for (let n = 0; n < LIMITS.QUESTION_PACKETS + 10; n++) {
      void bench.node.settlements.settle(bench.onChain(), asker).then(() => (settled += 1));
    }
    await bench.net.run(10);
    expect({ settled, asked: bench.asked }).toEqual({ settled: 10, asked: 1 });
    await bench.net.run(LIMITS.QUESTION_MILLIS);
    expect(settled).toBe(LIMITS.QUESTION_PACKETS + 10);
  });
});

describe('settlements > a packet that starts here', () => {
  it('does not wait for the node, which may be waiting for us: the second time its payment is known', async () => {
    const bench = await Bench.start();
    const { manager } = bench.net.node(0);
    bench.net.node(0).chain.getPaymentState = () => Promise.resolve(SETTLED);
    expect(told(await manager.submitPacket(bench.onChain(), 10))).toBe('PaymentUnknown');
    await bench.net.until(() => bench.net.node(0).settlements.stats().kept === 1, 100);
    expect(told(await manager.submitPacket(bench.onChain(), 10))).toBe('accepted');
    await bench.net.run(50);
    expect(bench.node.delivered()).toHaveLength(1);
  });
});
