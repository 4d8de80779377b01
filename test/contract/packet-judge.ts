// What every judge must do: the inline one and the one over worker threads run the same suite.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { present } from '../../src/core/assert.js';
import { VirtualClock } from '../../src/core/clock.js';
import { LIMITS } from '../../src/core/limits.js';
import type { JudgePolicy } from '../../src/core/policy.js';
import { randomBelow, SeededRandom } from '../../src/core/random.js';
import { reasonName } from '../../src/core/reasons.js';
import { encodeBitcoinMessage } from '../../src/packet/bitcoin-wire.js';
import { encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import type { PaymentProof } from '../../src/packet/proof.js';
import { Bolt11Decoder } from '../../src/payment/bolt11/decode.js';
import { KEEP_KEY_FOREVER } from '../../src/payment/keys.js';
import { InlineJudge } from '../../src/pool/inline-judge.js';
import { NO_MARK } from '../../src/pool/judge.js';
import {
  judged,
  withoutHints,
  type PacketJudge,
  type PacketSender,
  type PacketVerdict,
} from '../../src/pool/judge-port.js';
import { PlainFingerprinter } from '../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../src/replay/shared-table.js';
import { PlainReplayTable } from '../../src/replay/table.js';
import { followingNumber, type ToldPacket } from '../support/follows.js';
import { makeInvoice } from '../support/invoices.js';
import { honestPacket, judgeTrace } from '../support/judge-trace.js';
import { plainMark } from '../support/marks.js';
import { paidPacket, PAYEES, SELF, SOURCE, testNode, testPolicy } from '../support/paid-packets.js';

export interface JudgeSetUp {
  readonly policy: JudgePolicy;
  readonly table: SharedReplayTable;
  readonly secret: Uint8Array;
  readonly clock: VirtualClock;
}

const fromSource: PacketSender = { previousHop: SOURCE, origin: 'peer', peer: 'source' };

/** Numbers the payments of a test, so that no two tests share one. */
let payments = 500_000;

function freshBytes(): Uint8Array {
  return encodePacket(honestPacket(payments++));
}

/** A Bitcoin message, which is free. */
function freePacket(): MeshPacket {
  const payload = encodeBitcoinMessage('regtest', 'tx', new Uint8Array(payments % 900));
  return { ...honestPacket(payments++), packetType: 'BitcoinP2P', paymentProof: null, payload };
}

/** A verdict with its reason by name, for one readable line a difference, and without hints. */
function shown(verdict: PacketVerdict): object {
  return { ...withoutHints(verdict), reason: reasonName(verdict.reason) };
}

export function packetJudgeContract(name: string, make: (setUp: JudgeSetUp) => Promise<PacketJudge>): void {
  describe(`${name} § packet judge`, () => {
    const secret = new SeededRandom(3).bytes(16);
    const setUp: JudgeSetUp = {
      policy: testPolicy(),
      table: SharedReplayTable.create(new PlainFingerprinter(secret), 4_096),
      secret,
      clock: new VirtualClock(),
    };
    const markOf = (bytes: Uint8Array): Int32Array => plainMark(secret, bytes, 'BitcoinP2P');
    let judge: PacketJudge;
    beforeAll(async () => {
      judge = await make(setUp);
    });
    afterAll(async () => {
      await judge.close();
    });

    it('gives the verdict of the plain twin on every packet of a trace: honest, hostile, broken', async () => {
      const trace = judgeTrace(7, 300);
      const twin = new InlineJudge({ ...setUp, table: new PlainReplayTable() });
      const reasons = new Set<string>();
      // One after another: which of two packets with the same payment wins is then the same for both.
      for (const { what, bytes, sender } of trace) {
        const expected = await judged(twin, bytes, sender);
        expect(shown(await judged(judge, bytes, sender)), what).toEqual(shown(expected));
        reasons.add(reasonName(expected.reason));
      }
      expect(reasons.size, 'the trace knows many ways to fail').toBeGreaterThan(20);
    });

    it('judges a trace given all at once, each payment once', async () => {
      const trace = judgeTrace(8, 400);
      const twin = new InlineJudge({ ...setUp, table: new PlainReplayTable() });
      const verdicts = await Promise.all(trace.map(({ bytes, sender }) => judged(judge, bytes, sender)));
      const keys = new Set<string>();
      for (const [index, { what, bytes, sender }] of trace.entries()) {
        const verdict = present(verdicts[index], 'a verdict for each');
        const expected = await judged(twin, bytes, sender);
        // Replays aside, whose winner is whoever came first.
        const isRace = what === 'replayed';
        if (!isRace) expect(shown(verdict), what).toEqual(shown(expected));
        if (verdict.kind !== 'paid') continue;
        const key = Buffer.from(present(verdict.replayKey, 'a paid packet has a key')).toString('hex');
        expect(keys.has(key), what).toBe(false);
        keys.add(key);
      }
    });

    it('says of a packet that it follows another only where it does', async () => {
      const random = new SeededRandom(11);
      const others = judgeTrace(12, 40);
      const runs = [1, 2, 3].map((last) => ({ ...freePacket(), route: [SOURCE, SELF, testNode(last)] }));
      let before: ToldPacket | null = null;
      let followed = 0;
      const told: Promise<void>[] = [];
      for (let index = 0; index < 2_000; index++) {
        const other = present(others[randomBelow(random, others.length)], 'a packet of the trace');
        const run = present(runs[Math.floor(index / 50) % runs.length], 'a run');
        const sequence = BigInt(index) + (index % 300 === 7 ? 2n ** 60n : 0n);
        const isBroken = index % 17 === 3;
        const payload = isBroken ? run.payload.subarray(1) : run.payload;
        const destination = present(run.route[2], 'the last of the run');
        const bytes = encodePacket({ ...run, destination, sequence, payload }, { magic: index % 5 !== 0 });
        const packet = index % 13 === 5 ? other : { bytes, sender: fromSource };
        const { sender } = packet;
        const toldOf = (resolve: () => void) => (verdict: PacketVerdict) => {
          const now = { bytes: packet.bytes, sender, kind: verdict.kind };
          if (verdict.follows) {
            expect(BigInt(verdict.sequence), `packet ${index}`).toBe(followingNumber(before, now));
            followed += 1;
          } else expect(verdict.sequence).toBe(0);
          before = now;
          resolve();
        };
        told.push(
          new Promise((resolve) => {
            judge.judge(packet.bytes, sender, toldOf(resolve));
          }),
        );
      }
      await Promise.all(told);
      if (judge.stats().workers > 0) expect(followed).toBeGreaterThan(200);
    });

    it('fills in a paid verdict', async () => {
      const bytes = freshBytes();
      const verdict = await judged(judge, bytes, fromSource);
      expect(reasonName(verdict.reason)).toBe('Accepted');
      expect(verdict).toMatchObject({
        kind: 'paid',
        protocol: 'MeshPacket',
        position: 1,
        controlProtocol: null,
      });
      expect(verdict).toMatchObject({
        amountMsat: 10_000n,
        priceMsat: 1_310n,
        payee: PAYEES.destination.publicKey,
      });
      expect(verdict.mark).toEqual(NO_MARK);
      expect(verdict.expiresAt).toBe(setUp.clock.unixSeconds() + LIMITS.REPLAY_TTL_SECONDS);
      expect(setUp.table.has(present(verdict.replayKey, 'a key'))).toBe(true);
    });

    it('cheat 23 › refuses the same packet again, and names the payment', async () => {
      const bytes = freshBytes();
      const first = await judged(judge, bytes, fromSource);
      const again = await judged(judge, bytes, fromSource);
      expect(again).toMatchObject({ kind: 'refused', amountMsat: 0n });
      expect(reasonName(again.reason)).toBe('ReplayedPayment');
      expect(again.replayKey).toEqual(present(first.replayKey, 'a key'));
    });

    it('cheat 30 › lets one of a hundred copies through that come at once', async () => {
      const bytes = freshBytes();
      const verdicts = await Promise.all(Array.from({ length: 100 }, () => judged(judge, bytes, fromSource)));
      expect(verdicts.filter(({ kind }) => kind === 'paid')).toHaveLength(1);
      expect(verdicts.filter(({ reason }) => reasonName(reason) === 'ReplayedPayment')).toHaveLength(99);
    });

    it('cheat 36 › judges no payment at an earlier time than keys were forgotten at', async () => {
      const bytes = freshBytes();
      const own = SharedReplayTable.create(new PlainFingerprinter(secret), 64);
      own.expire(setUp.clock.unixSeconds());
      const other = await make({ ...setUp, table: own });
      try {
        expect((await judged(other, bytes, fromSource)).kind).toBe('paid');
        own.expire(setUp.clock.unixSeconds() + 2 * LIMITS.REPLAY_TTL_SECONDS);
        expect(own.stats().keys).toBe(0);
        const again = await judged(other, bytes, fromSource);
        expect(again.kind).toBe('refused');
        expect(reasonName(again.reason)).toBe('ProofExpired');
      } finally {
        await other.close();
      }
    });

    it('leaves what only the node can say as a question, and claims nothing', async () => {
      const proof: PaymentProof = {
        kind: 'OnChainSettlement',
        paymentRequestId: 'request',
        txHash: new Uint8Array(32).fill(payments++ % 256),
        amountSats: 10n,
        timestamp: 0n,
      };
      const bytes = encodePacket(paidPacket(proof));
      const verdict = await judged(judge, bytes, fromSource);
      expect(verdict).toMatchObject({
        kind: 'question',
        protocol: 'MeshPacket',
        position: 1,
        amountMsat: 0n,
        priceMsat: 1_310n,
        expiresAt: 0,
        payee: null,
        mark: NO_MARK,
        hasTtl: false,
      });
      expect(reasonName(verdict.reason)).toBe('PaymentUnknown');
      const key = present(verdict.replayKey, 'a question is about a payment');
      expect(setUp.table.claim(key, KEEP_KEY_FOREVER)).toBe('claimed');
      const again = await judged(judge, bytes, fromSource);
      expect(again).toMatchObject({ kind: 'refused', replayKey: key });
      expect(reasonName(again.reason)).toBe('ReplayedPayment');
    });

    it('marks a free packet by its bytes, with MESH or without', async () => {
      const free = freePacket();
      const verdict = await judged(judge, encodePacket(free), fromSource);
      expect(verdict).toMatchObject({
        kind: 'free',
        protocol: 'BitcoinP2P',
        mark: markOf(encodePacket(free)),
      });
      const bare = await judged(judge, encodePacket(free, { magic: false }), fromSource);
      expect(bare.mark).toEqual(verdict.mark);
    });

    it('refuses what is larger than a packet without looking at it', async () => {
      const verdict = await judged(judge, new Uint8Array(LIMITS.PACKET_BYTES + 1), fromSource);
      expect(reasonName(verdict.reason)).toBe('PacketTooLarge');
    });

    it('judges every packet given after a new policy by that', async () => {
      const before = freshBytes();
      expect((await judged(judge, before, fromSource)).kind).toBe('paid');
      judge.updatePolicy({ ...setUp.policy, mode: 'bitcoin_only' });
      const all = Array.from({ length: 600 }, () => judged(judge, freshBytesOnce, fromSource));
      expect(new Set((await Promise.all(all)).map(({ reason }) => reasonName(reason)))).toEqual(
        new Set(['ModeForbids']),
      );
      judge.updatePolicy(setUp.policy);
      expect((await judged(judge, freshBytes(), fromSource)).kind).toBe('paid');
    });

    it('is full for no peer that sends nothing, and says at once that there is room', () => {
      let calls = 0;
      judge.onRoom('nobody', () => {
        calls++;
      });
      expect([judge.isFull('nobody'), calls]).toEqual([false, 1]);
    });

    it('reads invoices, good and bad, each by itself', async () => {
      const texts = [makeInvoice({ seed: 5 }).invoice, 'no invoice', makeInvoice({ seed: 6 }).invoice];
      const read = await judge.readInvoices(texts);
      expect(read).toEqual(texts.map((text) => new Bolt11Decoder().decode(text)));
      expect(read.map(({ ok }) => ok)).toEqual([true, false, true]);
      expect(await judge.readInvoices([])).toEqual([]);
    });

    it('counts verdicts by reason', async () => {
      const before = judge.stats();
      await judged(judge, new Uint8Array(1), fromSource);
      const after = judge.stats();
      expect(after.judged).toBe(before.judged + 1);
      expect([...after.byReason.values()].reduce((sum, count) => sum + count)).toBe(after.judged);
      expect(after).toMatchObject({ queued: 0, inFlight: 0, workersLost: 0 });
    });

    it('judges what it was given before it closes, and refuses what comes after', async () => {
      const other = await make(setUp);
      const given = Array.from({ length: 40 }, () => judged(other, freshBytes(), fromSource));
      const closing = other.close();
      const late = await judged(other, freshBytes(), fromSource);
      await closing;
      await other.close();
      expect((await Promise.all(given)).every(({ kind }) => kind === 'paid')).toBe(true);
      expect(reasonName(late.reason)).toBe('JudgeUnavailable');
    });
  });
}

/** One packet that no test pays with. */
const freshBytesOnce = freshBytes();
