/**
 * Asks the node about payments on the chain, which no worker can judge alone, and remembers what it said.
 *
 * Rules: payments.md, OnChainSettlement (answers are kept until a BlockDisconnected or ChainReorg touches them; no
 * answer within the deadline is PaymentUnknown) and InstantSettlement; node-ipc.md, 6 and 8 (few requests a second,
 * events may be lost: so no answer is kept long). Claims nothing. Main thread only.
 */
import { LRUCache } from 'lru-cache';
import { present } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Clock, Log } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { TokenBucket } from '../core/token-bucket.js';
import type { Counters } from '../metrics/counters.js';
import type { NodeApi } from '../node/node-api.js';
import type { MeshPacket } from '../packet/packet.js';
import { isLasting, judgeAnswer } from '../payment/answer.js';
import type { InvoiceDecoder } from '../payment/invoice.js';
import type { NodeAnswer, NodeQuestion } from '../payment/question.js';
import { PaymentVerifier, type VerificationResult } from '../payment/verifier.js';

/** What is asked of the node. */
export type SettlementNode = Pick<NodeApi, 'getUtxo' | 'getPaymentState'>;

/**
 * `asked`: waits for the node. `known`: answers at once from what is known, and asks for the next time: for callers
 * that the node itself waits for (node-ipc.md, 7).
 */
export type Patience = 'asked' | 'known';

/** Who wants to know. */
export interface Asker {
  /** The address of the peer that the packet came from; null where it started here. */
  readonly from: string | null;
  readonly patience: Patience;
}

export interface SettlementsParts {
  readonly node: SettlementNode;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly policy: JudgePolicy;
  /** So that packets with made-up payments leave the node's requests to others. One peer gets a part of them. */
  readonly questionsPerSecond: number;
}

interface Kept {
  readonly answer: NodeAnswer;
  readonly askedMillis: number;
}

/** The part of all questions that may be on behalf of one peer, so that a flood of one leaves room for others. */
const PEER_SHARE = 4;

const NO_ANSWER: NodeAnswer = { kind: 'none' };

/** Lightning proofs are the workers' alone: no invoice is decoded on this thread (architecture.md). */
const NO_DECODER: InvoiceDecoder = {
  decode: () => ({
    ok: false,
    reason: Reason.JudgeUnavailable,
    detail: 'invoices are judged by the workers',
  }),
};

export class Settlements {
  readonly #parts: SettlementsParts;
  readonly #bucket: TokenBucket;
  #questionsPerSecond: number;
  /** Of peers, by address. */
  readonly #buckets = new LRUCache<string, TokenBucket>({ max: LIMITS.DIRECT_PEERS });
  /** Answers that stay true until the chain changes, by what was asked. */
  readonly #kept = new LRUCache<string, Kept>({ max: LIMITS.SETTLED_PAYMENTS });
  /** Questions that the node has not answered yet. */
  readonly #asking = new Map<string, Promise<NodeAnswer>>();
  #verifier: PaymentVerifier;
  /** Packets that wait for an answer. */
  #waiting = 0;
  /** Counts the changes of the chain: an answer from before one is not kept. */
  #changes = 0;

  constructor(parts: SettlementsParts) {
    this.#parts = parts;
    const { clock, policy, questionsPerSecond } = parts;
    this.#questionsPerSecond = questionsPerSecond;
    this.#bucket = new TokenBucket(questionsPerSecond, questionsPerSecond, clock.monotonicMillis());
    this.#verifier = new PaymentVerifier(policy, NO_DECODER);
  }

  /** Holds for every packet given to `settle` afterwards. */
  updatePolicy(policy: JudgePolicy): void {
    this.#verifier = new PaymentVerifier(policy, NO_DECODER);
  }

  /** Another rate from now on. */
  setRate(questionsPerSecond: number): void {
    if (questionsPerSecond === this.#questionsPerSecond) return;
    this.#questionsPerSecond = questionsPerSecond;
    this.#bucket.change(questionsPerSecond, questionsPerSecond, this.#parts.clock.monotonicMillis());
    this.#buckets.clear();
  }

  /**
   * Verifies the payment of a packet that a judge left as a question.
   * @returns as PaymentVerifier.verify, with nothing left open; never rejects
   */
  async settle(packet: MeshPacket, asker: Asker): Promise<VerificationResult> {
    const paymentProof = present(packet.paymentProof, 'a question is about a payment');
    const nowSeconds = this.#parts.clock.unixSeconds();
    const result = this.#verifier.verify(paymentProof, { packet, nowSeconds });
    const { needs } = result;
    return needs === null ? result : judgeAnswer(needs, await this.#answer(needs, asker));
  }

  /** A block came on top, or the mempool lost a transaction: outputs may be spent, or not be there any more. */
  outputsChanged(): void {
    this.#forget((subject) => subject.startsWith(UTXO));
  }

  /** Blocks were undone, a payment changed its state, or nobody can tell: nothing is certain. */
  chainChanged(): void {
    this.#forget(() => true);
  }

  /** Answers kept, questions under way. */
  stats(): { readonly kept: number; readonly asking: number } {
    return { kept: this.#kept.size, asking: this.#asking.size };
  }

  #forget(isTouched: (subject: string) => boolean): void {
    this.#changes += 1;
    for (const subject of [...this.#kept.keys()]) if (isTouched(subject)) this.#kept.delete(subject);
  }

  async #answer(question: NodeQuestion, { from, patience }: Asker): Promise<NodeAnswer> {
    const subject = subjectOf(question);
    const kept = this.#kept.get(subject);
    if (kept !== undefined && this.#ageMillis(kept) < LIMITS.SETTLED_MILLIS) return kept.answer;
    const asked = this.#asking.get(subject) ?? this.#ask(question, subject, from);
    if (asked === null || patience === 'known' || this.#waiting >= LIMITS.QUESTION_PACKETS) return NO_ANSWER;
    this.#waiting += 1;
    try {
      return await asked;
    } finally {
      this.#waiting -= 1;
    }
  }

  #ageMillis({ askedMillis }: Kept): number {
    return this.#parts.clock.monotonicMillis() - askedMillis;
  }

  /** Asks the node, once for all who want to know at the same time; null where it has too much to answer. */
  #ask(question: NodeQuestion, subject: string, from: string | null): Promise<NodeAnswer> | null {
    const { clock, counters } = this.#parts;
    const askedMillis = clock.monotonicMillis();
    if (this.#asking.size >= LIMITS.QUESTIONS_IN_FLIGHT || !this.#takeQuestion(from, askedMillis)) {
      counters.count('questions_dropped');
      return null;
    }
    counters.count('questions_asked');
    const changes = this.#changes;
    const answer = this.#askNode(question).then((found) => {
      this.#asking.delete(subject);
      // What was true before the chain changed may not be true any more.
      if (changes === this.#changes && isLasting(question, found)) {
        this.#kept.set(subject, { answer: found, askedMillis });
      }
      return found;
    });
    const deadline = new Promise<NodeAnswer>((resolve) => {
      const timer = clock.after(LIMITS.QUESTION_MILLIS, () => {
        resolve(NO_ANSWER);
      });
      void answer.then(() => {
        timer.cancel();
      });
    });
    const first = Promise.race([answer, deadline]);
    this.#asking.set(subject, first);
    return first;
  }

  #takeQuestion(from: string | null, nowMillis: number): boolean {
    if (from === null) return this.#bucket.take(nowMillis);
    const perPeer = this.#questionsPerSecond / PEER_SHARE;
    const own = this.#buckets.get(from) ?? new TokenBucket(perPeer, perPeer, nowMillis);
    this.#buckets.set(from, own);
    return own.take(nowMillis) && this.#bucket.take(nowMillis);
  }

  /** Never rejects. */
  async #askNode(question: NodeQuestion): Promise<NodeAnswer> {
    const { node, log } = this.#parts;
    try {
      if (question.kind === 'utxo') {
        const utxo = await node.getUtxo({ hash: question.txid, index: question.vout });
        return {
          kind: 'utxo',
          utxo: utxo === null ? null : { value: utxo.value, scriptPubkey: utxo.script_pubkey },
        };
      }
      const state = await node.getPaymentState(question.paymentRequestId);
      if (state === null) return { kind: 'paymentState', state: null };
      const { payment_id: paymentRequestId, status, amount_sats: amountSats } = state;
      const { tx_hash: txHash, confirmations } = state;
      return { kind: 'paymentState', state: { paymentRequestId, status, amountSats, txHash, confirmations } };
    } catch (error) {
      log.log('warn', 'the node did not answer about a payment on the chain; it counts as unknown', {
        question: question.kind,
        error: errorText(error),
      });
      return NO_ANSWER;
    }
  }
}

const UTXO = 'utxo:';

/** What is asked about, whatever is expected of it. */
function subjectOf(question: NodeQuestion): string {
  return question.kind === 'utxo'
    ? `${UTXO}${toHex(question.txid)}:${question.vout}`
    : `payment:${question.paymentRequestId}`;
}
