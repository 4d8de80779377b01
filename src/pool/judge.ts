/**
 * Judges one packet: the whole order of checks from bytes to a claimed payment.
 *
 * Rules: payments.md, any proof, 1 to 5, cheapest first: decode, structure, gate, verify, claim. A packet that is
 * refused has changed nothing; one that only the node can decide leaves a question and no claim. Runs on whichever thread has the tools; the worker and InlineJudge share it.
 */
import { present } from '../core/assert.js';
import { nodeIdOfKey, type NodeId } from '../core/ids.js';
import type { JudgePolicy } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import type { DetectedProtocol, ProtocolDetector } from '../packet/detect.js';
import type { ExaminedPacket, ExaminerRules, PacketExaminer, PacketSize } from '../packet/examined.js';
import { markedBytes } from '../packet/mark.js';
import { viewPacket, type MeshPacket } from '../packet/packet.js';
import { RoutingPolicyEngine, type GateVerdict } from '../packet/policy.js';
import { judgeStructure } from '../packet/structure.js';
import { hasTtl, judgeTtl } from '../packet/ttl.js';
import type { QuickInvoiceReader } from '../payment/bolt11/quick.js';
import type { InvoiceDecoder } from '../payment/invoice.js';
import type { InvoiceLookup } from '../payment/registry.js';
import { PaymentVerifier, type VerificationResult } from '../payment/verifier.js';
import { FINGERPRINT_WORDS, type Fingerprinter } from '../replay/fingerprint.js';
import { claimReason } from '../replay/replay-prevention.js';
import type { ReplayTable } from '../replay/table.js';
import type { PacketSender, PacketVerdict } from './judge-port.js';

/** Of packets that nobody asks for again. */
export const NO_MARK: Int32Array = new Int32Array(FINGERPRINT_WORDS);

/** What does not change with the policy. */
export interface JudgeParts {
  /** Looks first at packets of neighbours, where there is one. */
  readonly examiner?: PacketExaminer;
  readonly detector: ProtocolDetector;
  readonly decoder: InvoiceDecoder;
  readonly table: ReplayTable;
  readonly registry?: InvoiceLookup;
  readonly quickInvoices?: QuickInvoiceReader;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  /** Makes the marks. */
  readonly fingerprinter: Fingerprinter;
}

/** Everything that a verdict is made with; a new policy needs new tools. */
export interface JudgeTools extends JudgeParts {
  readonly self: NodeId;
  readonly rules: ExaminerRules;
  readonly gate: RoutingPolicyEngine;
  readonly verifier: PaymentVerifier;
}

type PassingVerdict = Extract<GateVerdict, { readonly kind: 'control' | 'free' }>;

/** What is known of a packet beside its bytes. */
export interface PacketContext extends Omit<PacketSender, 'peer'> {
  /** Unix seconds of its receipt. */
  readonly nowSeconds: number;
  /** Called right before a payment is claimed: from here on it may be taken. */
  readonly beforeClaim?: () => void;
}

export function judgeTools(policy: JudgePolicy, parts: JudgeParts): JudgeTools {
  const self = nodeIdOfKey(policy.self);
  return {
    ...parts,
    self,
    rules: { self, network: policy.network },
    gate: new RoutingPolicyEngine(policy, parts.detector),
    verifier: new PaymentVerifier(policy, parts.decoder, parts),
  };
}

/**
 * @param bytes not kept; where there is an examiner, those of a free packet are changed
 * @returns a verdict whose mark, where there is an examiner, holds until the next packet
 */
export function judgePacket(bytes: Uint8Array, context: PacketContext, tools: JudgeTools): PacketVerdict {
  const examined = examine(bytes, context, tools);
  if (examined === null) return judgePlainly(bytes, context, tools);
  const { kind, protocol, position, packet } = examined;
  if (kind === 'free') return passedFree(protocol, examined);
  return judgePayment(packet, examined, position, context, tools);
}

/** What is found in one pass where the packet lies: only packets of neighbours that have said who they are, and pass. */
function examine(
  bytes: Uint8Array,
  { origin, previousHop }: PacketContext,
  { examiner, gate, rules }: JudgeTools,
): ExaminedPacket | null {
  if (examiner === undefined || origin !== 'peer' || previousHop === null || !gate.isGated) return null;
  return examiner.examine(bytes, rules, previousHop);
}

function judgePlainly(bytes: Uint8Array, context: PacketContext, tools: JudgeTools): PacketVerdict {
  const decoded = viewPacket(bytes);
  if (!decoded.ok) return refusedVerdict(decoded.failure.reason);
  const { packet } = decoded.value;
  const structure = judgeStructure(packet, tools.self, context.previousHop, context.origin);
  if (!structure.ok) return refusedVerdict(structure.reason);
  const alive = judgeTtl(packet, context.nowSeconds);
  if (alive !== Reason.Accepted) return refusedVerdict(alive);
  const gate = tools.gate.judgeGate(packet);
  if (gate.kind === 'refused') return refusedVerdict(gate.reason);

  const { position } = structure;
  if (gate.kind === 'paid') return judgePayment(packet, undefined, position, context, tools);
  const mark =
    gate.kind === 'free' ? markOf(markedBytes(bytes, packet, gate.protocol, tools.sha256), tools) : NO_MARK;
  return passed(gate, position, mark, hasTtl(packet));
}

/** The verdict on a packet that was examined and is free. */
function passedFree(protocol: DetectedProtocol, examined: ExaminedPacket): PacketVerdict {
  const { position, mark, follows, sequenceNumber } = examined;
  // It has no fields in its metadata, and so no ttl.
  const sequence = follows && Number.isSafeInteger(sequenceNumber) ? sequenceNumber : null;
  return passed({ kind: 'free', protocol }, position, mark, false, sequence);
}

/**
 * The verdict on a packet that passes the gate without a payment.
 * @param sequence of one that follows another; null where it does not
 */
export function passed(
  gate: PassingVerdict,
  position: number,
  mark: Int32Array,
  hasTtl: boolean,
  sequence: number | null = null,
): PacketVerdict {
  // Written out: objects copied by spread took more time than all checks together.
  return {
    kind: gate.kind,
    reason: Reason.Accepted,
    protocol: gate.kind === 'free' ? gate.protocol : 'MeshPacket',
    controlProtocol: gate.kind === 'control' ? gate.protocol : null,
    position,
    amountMsat: 0n,
    priceMsat: 0n,
    expiresAt: 0,
    replayKey: null,
    payee: null,
    mark,
    hasTtl,
    follows: sequence !== null,
    sequence: sequence ?? 0,
  };
}

function markOf(marked: Uint8Array, { fingerprinter }: JudgeTools): Int32Array {
  const words = new Int32Array(FINGERPRINT_WORDS);
  fingerprinter.fingerprint(marked, words);
  return words;
}

/** By reason; made when first wanted. */
const refusals: (PacketVerdict | undefined)[] = [];

/** A refusal of which nothing but its reason is known: one object for each reason, since floods are refused. */
export function refusedVerdict(reason: Reason): PacketVerdict {
  return (refusals[reason] ??= {
    kind: 'refused',
    reason,
    protocol: 'Unknown',
    controlProtocol: null,
    position: 0,
    amountMsat: 0n,
    priceMsat: 0n,
    expiresAt: 0,
    replayKey: null,
    payee: null,
    mark: NO_MARK,
    hasTtl: false,
    follows: false,
    sequence: 0,
  });
}

function judgePayment(
  packet: MeshPacket,
  size: PacketSize | undefined,
  position: number,
  context: PacketContext,
  tools: JudgeTools,
): PacketVerdict {
  const proof = packet.paymentProof;
  if (proof === null) return refusedVerdict(Reason.PaymentRequired);
  // Never at an earlier time than keys were forgotten at: a clock that was set back must not revive a payment.
  const nowSeconds = Math.max(context.nowSeconds, tools.table.horizonSeconds());
  const result = tools.verifier.verify(proof, { packet, size, nowSeconds });
  if (result.needs !== null) {
    const { replayKey } = result.needs.payment;
    // Without troubling the node.
    return tools.table.has(replayKey)
      ? told('refused', Reason.ReplayedPayment, position, result)
      : told('question', result.reason, position, result, hasTtl(packet));
  }
  if (!result.verified) return told('refused', result.reason, position, result);

  const key = present(result.replayKey, 'a verified payment has a key');
  context.beforeClaim?.();
  const reason = claimReason(tools.table.claim(key, result.expiresAt));
  return reason === Reason.Accepted
    ? told('paid', reason, position, result, hasTtl(packet))
    : told('refused', reason, position, result);
}

/** The verdict on a packet whose payment was looked at: what was found out is told whatever came of it. */
function told(
  kind: 'refused' | 'question' | 'paid',
  reason: Reason,
  position: number,
  { amountMsat, priceMsat, expiresAt, replayKey, payee }: VerificationResult,
  hasTtl = false,
): PacketVerdict {
  return {
    kind,
    reason,
    protocol: kind === 'refused' ? 'Unknown' : 'MeshPacket',
    controlProtocol: null,
    position: kind === 'refused' ? 0 : position,
    amountMsat: kind === 'paid' ? amountMsat : 0n,
    priceMsat,
    expiresAt: kind === 'paid' ? expiresAt : 0,
    replayKey,
    payee,
    mark: NO_MARK,
    hasTtl,
    follows: false,
    sequence: 0,
  };
}
