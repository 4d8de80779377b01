/**
 * The judge without threads: the plain twin of VerdictPool, for tests, simulations and very small machines.
 *
 * Contract: judge-port.ts. A packet is judged within the call, so nothing ever waits and no queue can fill.
 */
import { sha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Clock } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { PlainProtocolDetector } from '../packet/detect.js';
import { Bolt11Decoder } from '../payment/bolt11/decode.js';
import type { InvoiceVerdict } from '../payment/invoice.js';
import type { InvoiceLookup } from '../payment/registry.js';
import { PlainFingerprinter } from '../replay/fingerprint.js';
import type { ReplayTable } from '../replay/table.js';
import { VerdictCounts } from './counts.js';
import { judgePacket, judgeTools, refusedVerdict, type JudgeParts, type JudgeTools } from './judge.js';
import type { JudgeStats, OnVerdict, PacketJudge, PacketSender, PacketVerdict } from './judge-port.js';

export interface InlineJudgeOptions {
  readonly policy: JudgePolicy;
  readonly table: ReplayTable;
  /** 16 bytes: the secret of the marks. */
  readonly secret: Uint8Array;
  readonly clock: Clock;
  /** The invoices that this node issued. */
  readonly registry?: InvoiceLookup;
}

export class InlineJudge implements PacketJudge {
  readonly #clock: Clock;
  readonly #parts: JudgeParts;
  readonly #counts = new VerdictCounts();
  #tools: JudgeTools;
  #isClosed = false;

  constructor({ policy, table, secret, clock, registry }: InlineJudgeOptions) {
    this.#clock = clock;
    this.#parts = {
      detector: new PlainProtocolDetector(),
      decoder: new Bolt11Decoder(),
      table,
      ...(registry === undefined ? {} : { registry }),
      sha256: (bytes) => sha256(bytes),
      fingerprinter: new PlainFingerprinter(secret),
    };
    this.#tools = judgeTools(policy, this.#parts);
  }

  judge(bytes: Uint8Array, sender: PacketSender, onVerdict: OnVerdict): void {
    const verdict = this.#judge(bytes, sender);
    this.#counts.add(verdict.reason);
    onVerdict(verdict, bytes);
  }

  isFull(): boolean {
    return false;
  }

  onRoom(_peer: string, onRoom: () => void): void {
    onRoom();
  }

  readInvoices(texts: readonly string[]): Promise<readonly InvoiceVerdict[]> {
    return Promise.resolve(texts.map((text) => this.#parts.decoder.decode(text)));
  }

  updatePolicy(policy: JudgePolicy): void {
    this.#tools = judgeTools(policy, this.#parts);
  }

  stats(): JudgeStats {
    return {
      judged: this.#counts.judged,
      byReason: this.#counts.byReason(),
      queued: 0,
      inFlight: 0,
      batches: 0,
      workers: 0,
      workersLost: 0,
      sharedBytes: 0,
    };
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return Promise.resolve();
  }

  #judge(bytes: Uint8Array, { previousHop, origin }: PacketSender): PacketVerdict {
    if (this.#isClosed) return refusedVerdict(Reason.JudgeUnavailable);
    if (bytes.length > LIMITS.PACKET_BYTES) return refusedVerdict(Reason.PacketTooLarge);
    const nowSeconds = this.#clock.unixSeconds();
    return judgePacket(bytes, { previousHop, origin, nowSeconds }, this.#tools);
  }
}
