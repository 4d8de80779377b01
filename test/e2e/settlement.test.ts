// Payments on the chain, from the development chain through real module processes: settled requests, reorganisations,
// covenants.
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { systemClock } from '../../src/core/clock.js';
import { encodePacket } from '../../src/packet/packet.js';
import type { OnChainProof, PaymentProof } from '../../src/packet/proof.js';
import {
  CHANGE_SCRIPT,
  covenantOf,
  fundingScripts,
  instantProof,
  RECEIVE_SCRIPT,
  template,
  type TestOutPoint,
} from '../support/covenants.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

afterEach(endAll);

/** Node 0 sends, past its own module; node 1 is paid. Covenants are worth 100 sats, of which 10 pay. */
class Bench {
  readonly bed: MeshBed;

  private constructor(bed: MeshBed) {
    this.bed = bed;
  }

  static async start(...config: readonly string[]): Promise<Bench> {
    const bed = await MeshBed.start({ nodes: 2, links: [[0, 1]], config });
    await bed.greeted();
    return new Bench(bed);
  }

  get chain(): MeshBed['network']['network']['chain'] {
    return this.bed.network.network.chain;
  }

  /** Sends a packet with a payment; resolves with what node 1 made of it: `delivered`, or why not. */
  async send(proof: PaymentProof): Promise<string> {
    const before = await this.bed.status(1);
    const bytes = encodePacket(this.bed.packet([0, 1], null, { paymentProof: proof }));
    this.bed.sendRaw(0, 1, bytes);
    return waitFor('node 1 has judged the packet', async () => {
      const { counters } = await this.bed.status(1);
      const delivered = counters.counts['packets_delivered'] ?? 0;
      if (delivered > (before.counters.counts['packets_delivered'] ?? 0)) return 'delivered';
      const refused = Object.entries(counters.refused);
      return refused.find(([name, count]) => count > (before.counters.refused[name] ?? 0))?.[0] ?? null;
    });
  }

  /** How often the node was asked about a payment. */
  async asked(): Promise<number> {
    return (await this.bed.status(1)).counters.counts['questions_asked'] ?? 0;
  }

  /** Payments of a kind that were accepted. */
  async paid(kind: PaymentProof['kind']): Promise<number> {
    return (await this.bed.status(1)).counters.counts[`proofs_${kind}`] ?? 0;
  }

  /** A request of node 1 for 10 sats, paid and in a block, and the proof of it. */
  payRequest(): OnChainProof {
    const { payments } = this.bed.at(1).node;
    const { paymentId } = payments.createOnChainRequest(10n);
    const txHash = payments.payOnChain(paymentId);
    this.chain.mine();
    return onChain(paymentId, txHash);
  }

  /** An output on the chain, in a block. */
  fund(script: Uint8Array, valueSats = 100n): TestOutPoint {
    const hash = this.chain.createTransaction([{ valueSats, script }]);
    this.chain.mine();
    return { hash, index: 0 };
  }
}

function onChain(paymentRequestId: string, txHash: Uint8Array): OnChainProof {
  const timestamp = BigInt(systemClock.unixSeconds());
  return { kind: 'OnChainSettlement', paymentRequestId, txHash, amountSats: 10n, timestamp };
}

function covenant(funding: TestOutPoint): PaymentProof {
  const timestamp = BigInt(systemClock.unixSeconds());
  return instantProof(covenantOf(template(funding)), { timestamp });
}

describe('settlement on the chain', () => {
  it('pays for a packet once it is settled, once; other ids and transactions pay for nothing', async () => {
    const bench = await Bench.start();
    const proof = bench.payRequest();
    const other = bench.payRequest();
    expect(await bench.send(onChain('no such request', proof.txHash))).toBe('PaymentRequestUnknown');
    expect(await bench.send(onChain(other.paymentRequestId, proof.txHash))).toBe('PaymentOtherTransaction');
    expect(await bench.send(proof)).toBe('delivered');
    expect(await bench.send({ ...proof, timestamp: proof.timestamp - 1n })).toBe('ReplayedPayment');
    expect(await bench.paid('OnChainSettlement')).toBe(1);
    await bench.bed.at(1).module.kill();
    await bench.bed.restart(1);
    await bench.bed.greeted();
    expect(await bench.send(proof)).toBe('ReplayedPayment');
    expect(await bench.send(other)).toBe('delivered');
  });

  it('is asked for until it has the confirmations that are wanted', async () => {
    const bench = await Bench.start('min_confirmations = 2');
    const proof = bench.payRequest();
    expect(await bench.send(proof)).toBe('TooFewConfirmations');
    bench.chain.mine();
    expect(await bench.send(proof)).toBe('delivered');
  });

  it('cheat 46 > is asked for again after a reorganisation, which may have undone it', async () => {
    const bench = await Bench.start();
    const proof = bench.payRequest();
    const greedy = { ...proof, amountSats: 11n };
    expect(await bench.send(greedy)).toBe('AmountMismatch');
    expect(await bench.send(greedy)).toBe('AmountMismatch');
    expect(await bench.asked()).toBe(1);
    bench.chain.reorg(1, { dropTransactions: true });
    expect(await bench.send(proof)).toBe('PaymentNotSettled');
    expect(await bench.asked()).toBe(2);
  });
});

describe('settlement by covenant', () => {
  const config = ['ctv = true', `receive_scripts = ["${toHex(RECEIVE_SCRIPT)}"]`];

  it('pays for a packet where its output is there, commits to it, and covers it; once', async () => {
    const bench = await Bench.start(...config);
    const { bare, p2wsh } = fundingScripts();
    const funding = bench.fund(bare);
    expect(await bench.send(covenant(funding))).toBe('delivered');
    expect(await bench.send(covenant(funding))).toBe('ReplayedPayment');
    expect(await bench.send(covenant(bench.fund(p2wsh)))).toBe('delivered');
    expect(await bench.send(covenant(bench.fund(bare, 99n)))).toBe('FundingTooLow');
    expect(await bench.send(covenant(bench.fund(RECEIVE_SCRIPT)))).toBe('FundingScriptMismatch');
    expect(await bench.paid('InstantSettlement')).toBe(2);
  });

  it('cheat 48 > pays for nothing where its output is spent, unconfirmed or absent', async () => {
    const bench = await Bench.start(...config);
    const { bare } = fundingScripts();
    expect(await bench.send(covenant({ hash: new Uint8Array(32).fill(1), index: 0 }))).toBe('FundingMissing');
    const waiting = { hash: bench.chain.createTransaction([{ valueSats: 100n, script: bare }]), index: 0 };
    expect(await bench.send(covenant(waiting))).toBe('FundingMissing');
    const spent = bench.fund(bare);
    bench.chain.createTransaction([{ valueSats: 100n, script: CHANGE_SCRIPT }], [spent]);
    bench.chain.mine();
    expect(await bench.send(covenant(spent))).toBe('FundingMissing');
    expect(await bench.send(covenant(waiting)), 'in a block by now').toBe('delivered');
  });

  it('is refused where it is not configured', async () => {
    const bench = await Bench.start();
    expect(await bench.send(covenant(bench.fund(fundingScripts().bare)))).toBe('CtvDisabled');
    expect(await bench.asked()).toBe(0);
  });
});
