/**
 * The checks that a packet goes through, in their order, with what each looked at: the plain-words twin of
 * src/pool/judge.ts and src/payment.
 *
 * Rules: payments.md (order of checks). The reason that was recorded says which check failed; those before it passed
 * and those behind it were not reached. Inputs are read from the recorded packet and the configuration in force.
 * A preimage is never shown.
 */
import { nodeKey, type NodeId } from '../../core/ids.js';
import { LIMITS } from '../../core/limits.js';
import { INVOICE_PREFIXES } from '../../core/policy.js';
import type { ReasonName } from '../../core/reasons.js';
import type { MeshConfig } from '../../config/config.js';
import { priceMsat } from '../../ledger/fee.js';
import { isControlProtocol } from '../../packet/control.js';
import { amountMsatOf } from '../../packet/proof.js';
import { Bolt11Decoder } from '../../payment/bolt11/decode.js';
import type { Invoice } from '../../payment/invoice.js';
import type { FlightRecord } from '../../metrics/recorder.js';
import type { PacketReading, PacketView } from './packet-view.js';

export interface CheckLine {
  readonly check: string;
  readonly state: 'ok' | 'failed' | 'not reached';
  /** What it looked at; empty where nothing of that was kept. */
  readonly inputs: string;
}

export interface CheckContext {
  readonly config: MeshConfig;
  readonly self: NodeId;
}

/** What the inputs of a check are read from. */
interface Seen extends CheckContext {
  readonly record: FlightRecord;
  readonly reading: PacketReading;
  readonly view: PacketView | null;
  /** Read once for all checks. */
  readonly invoice: Invoice | null;
  readonly unread: string;
}

/** Which packets a check is for. */
type Way = 'any' | 'peer' | 'control' | 'free' | 'paid' | 'lightning' | 'chain' | 'sent';

interface Check {
  readonly name: string;
  readonly way: Way;
  /** Reasons that this check gives. */
  readonly reasons: readonly ReasonName[] | ((reason: ReasonName) => boolean);
  readonly inputs: (seen: Seen) => string;
}

const DIGITS = 12;
const decoder = new Bolt11Decoder();

const CHECKS: readonly Check[] = [
  {
    name: 'size',
    way: 'any',
    reasons: ['PacketTooLarge'],
    inputs: ({ record }) => `${grouped(record.length)} of at most ${grouped(LIMITS.PACKET_BYTES)} bytes`,
  },
  {
    name: 'place for its peer',
    way: 'peer',
    reasons: ['TooManyPeers'],
    inputs: ({ config }) => `max_peers is ${config.maxPeers}`,
  },
  {
    name: "the peer's quotas",
    way: 'peer',
    reasons: ['ControlQuotaExceeded', 'FreeQuotaExceeded', 'PacketQuotaExceeded'],
    inputs: ({ config }) =>
      `${grouped(config.rateLimitPerMinute)} packets a minute, of which ${grouped(config.freePacketsPerMinute)} free ` +
      `with ${grouped(config.freeBytesPerMinute)} bytes; ${LIMITS.CONTROL_PER_PEER} control packets a second`,
  },
  {
    name: 'room in the queues',
    way: 'any',
    reasons: ['Overloaded', 'JudgeUnavailable'],
    inputs: () => '',
  },
  {
    name: 'it can be read',
    way: 'any',
    reasons: [
      'Truncated',
      'LengthBeyondInput',
      'UnknownTag',
      'BadOption',
      'BadBool',
      'BadUtf8',
      'TrailingBytes',
      'DuplicateKey',
    ],
    inputs: ({ reading, view }) => (reading.ok && view !== null ? shapeOf(view) : ''),
  },
  {
    name: 'form and route',
    way: 'any',
    reasons: [
      'UnsupportedVersion',
      'PayloadTooLarge',
      'MetadataTooLarge',
      'RouteTooLong',
      'Loopback',
      'RouteTooShort',
      'RouteRepeatsNode',
      'RouteEndsMismatch',
      'NotOnRoute',
    ],
    inputs: ({ view, self }) => (view === null ? '' : routeOf(view, self)),
  },
  {
    name: 'came from the node before this one',
    way: 'any',
    reasons: ['SpoofedSource', 'UnknownPeer', 'UnprovenPeer', 'WrongPreviousHop'],
    inputs: senderOf,
  },
  {
    name: 'the gate',
    way: 'any',
    reasons: [
      'ModuleDisabled',
      'ModeForbids',
      'PaymentRequired',
      'TypeMismatch',
      'GovernanceNotAllowed',
      'UnexpectedProof',
      'OtherBitcoinNetwork',
      'ControlTooLarge',
      'UnknownControl',
    ],
    inputs: ({ view, config }) =>
      `mode ${config.mode}, network ${config.network}${config.enabled ? '' : ', disabled'}` +
      (view === null ? '' : `; it says ${view.packetType}${view.paymentProof === null ? ', no proof' : ''}`),
  },
  {
    name: 'control message',
    way: 'control',
    reasons: (reason) => reason === 'HelloMismatch',
    inputs: ({ view }) => view?.protocol ?? '',
  },
  {
    name: 'proof in its time',
    way: 'paid',
    reasons: ['ProofFromFuture', 'ProofExpired', 'JournalTooYoung'],
    inputs: ({ view, record }) => proofTimes(view, record),
  },
  {
    name: 'invoice can be read',
    way: 'lightning',
    reasons: (reason) => reason.startsWith('Invoice') && !NOT_OF_ITS_FORM.has(reason),
    inputs: ({ invoice, unread }) =>
      invoice === null ? unread : `payee ${invoice.payee}, network ${invoice.network}`,
  },
  {
    name: 'invoice of this network',
    way: 'lightning',
    reasons: ['WrongNetwork'],
    inputs: ({ invoice, config }) =>
      invoice === null
        ? ''
        : `ln${invoice.network}; ${config.network} needs ln${INVOICE_PREFIXES[config.network]}`,
  },
  {
    name: 'preimage hashes to the payment hash',
    way: 'lightning',
    reasons: ['WrongPreimage'],
    inputs: ({ invoice }) => (invoice === null ? '' : `payment hash ${hexStart(invoice.paymentHash)}`),
  },
  {
    name: 'invoice in its time',
    way: 'lightning',
    reasons: ['InvoiceExpired', 'InvoiceFromFuture'],
    inputs: ({ invoice, record }) =>
      invoice === null
        ? ''
        : `issued ${timeOf(invoice.timestamp)}, expires ${timeOf(invoice.timestamp + invoice.expirySeconds)}, ` +
          `came ${timeOf(record.atMillis / 1_000)}`,
  },
  {
    name: 'amount and price',
    way: 'paid',
    reasons: ['NoAmount', 'AmountMismatch', 'AmountTooLow', 'AmountNotExact'],
    inputs: amountsOf,
  },
  {
    name: 'payee is accepted',
    way: 'lightning',
    reasons: ['PayeeNotAccepted', 'PayeeIsSource', 'DebtCapReached'],
    inputs: ({ invoice, config }) =>
      invoice === null
        ? ''
        : `${invoice.payee}; accepted_payees has ${config.acceptedPayees.length}, payees ${config.payees.length}`,
  },
  {
    name: 'invoice is for this use',
    way: 'lightning',
    reasons: ['BindingMismatch', 'BindingRequired'],
    inputs: ({ invoice, config }) =>
      `binding is ${config.binding}` +
      (invoice === null
        ? ''
        : `; the invoice has ${invoice.descriptionHash === null ? 'no' : 'a'} description hash`),
  },
  {
    name: 'payment on the chain',
    way: 'chain',
    reasons: (reason) => CHAIN.has(reason),
    inputs: ({ config }) => `ctv is ${String(config.ctv)}, min_confirmations is ${config.minConfirmations}`,
  },
  {
    name: 'payment was not used before',
    way: 'paid',
    reasons: ['ReplayedPayment', 'ReplayTableFull', 'PaymentUnknown', 'PaymentNotSettled'],
    inputs: ({ config }) => `replay_capacity is ${grouped(config.replayCapacity)}`,
  },
  { name: 'payment is on disk', way: 'paid', reasons: ['NotRecorded'], inputs: () => '' },
  {
    name: 'sequence number is new',
    way: 'free',
    reasons: ['SequenceReplayed'],
    inputs: () => `window of ${grouped(LIMITS.SEQUENCE_WINDOW)}`,
  },
  {
    name: 'discovery',
    way: 'control',
    reasons: (reason) => DISCOVERY.has(reason),
    inputs: () => '',
  },
  {
    name: 'on its way',
    way: 'sent',
    reasons: () => true,
    inputs: ({ record, config }) =>
      ({
        delivered: 'this node is the destination: its handler or inbox has it',
        forwarded: 'its next hop took it',
        held: 'waits for its next hop or handler, and is tried again',
        expired: `packet_ttl_seconds is ${config.packetTtlSeconds}`,
        refused: '',
        control: '',
      })[record.outcome],
  },
];

/** Reasons that begin with Invoice and are no fault of its form. */
const NOT_OF_ITS_FORM: ReadonlySet<ReasonName> = new Set(['InvoiceExpired', 'InvoiceFromFuture']);

const DISCOVERY: ReadonlySet<ReasonName> = new Set([
  'UnauthenticatedPeer',
  'ResponseNotAsked',
  'ResponseBadRoute',
  'RequestSeen',
  'HopsExhausted',
  'RequestQuotaExceeded',
  'AdvertisementQuotaExceeded',
  'AdvertisementInfeasible',
  'RouteUnreachable',
  'TooManyPending',
]);

const CHAIN: ReadonlySet<ReasonName> = new Set([
  'CtvDisabled',
  'TemplateHashMismatch',
  'HostTemplateHash',
  'NoFundingInput',
  'OutputIndexUnknown',
  'OutputNotAccepted',
  'FundingMissing',
  'FundingScriptMismatch',
  'FundingTooLow',
  'PaymentRequestUnknown',
  'PaymentOtherTransaction',
  'TooFewConfirmations',
]);

/** Every check that this packet is for, with what came of it. @param reason the recorded one, or null where it passed */
export function checksOf(
  record: FlightRecord,
  reading: PacketReading,
  reason: ReasonName | null,
  context: CheckContext,
): readonly CheckLine[] {
  const view = reading.ok ? reading.view : null;
  const proof = view?.paymentProof ?? null;
  const read = proof?.kind === 'Lightning' ? decoder.decode(proof.invoice) : null;
  const seen: Seen = {
    config: context.config,
    self: context.self,
    record,
    reading,
    view,
    invoice: read?.ok === true ? read.invoice : null,
    unread: read?.ok === false ? read.detail : '',
  };
  const ways = waysOf(record, view, context.config);
  const checks = CHECKS.filter((check) => ways.has(check.way) || (reason !== null && gives(check, reason)));
  const failing = reason === null ? -1 : checks.findIndex((check) => gives(check, reason));
  return checks.map((check, index) => {
    const state = index === failing ? 'failed' : failing < 0 || index < failing ? 'ok' : 'not reached';
    // What a packet that cannot be read is wrong with is known by trying again.
    const isUnread = state === 'failed' && !reading.ok && check.name === 'it can be read';
    const inputs = state === 'not reached' ? '' : isUnread ? reading.why : check.inputs(seen);
    return { check: check.name, state, inputs };
  });
}

function gives({ reasons }: Check, reason: ReasonName): boolean {
  return typeof reasons === 'function' ? reasons(reason) : reasons.includes(reason);
}

function waysOf(record: FlightRecord, view: PacketView | null, config: MeshConfig): ReadonlySet<Way> {
  const ways = new Set<Way>(['any']);
  if (record.from !== null) ways.add('peer');
  if (['delivered', 'forwarded', 'held', 'expired'].includes(record.outcome)) ways.add('sent');
  const isControl = typeof view?.protocol === 'string' && isControlProtocol(view.protocol);
  const isPaid = view?.packetType === 'Paid' && config.mode === 'payment_gated';
  if (isControl) ways.add('control');
  else if (isPaid) ways.add('paid').add(view.paymentProof?.kind === 'Lightning' ? 'lightning' : 'chain');
  else if (view !== null) ways.add('free');
  return ways;
}

function shapeOf(view: PacketView): string {
  const protocol = view.protocol === null ? '' : `, protocol ${view.protocol}`;
  return `${view.packetType}, payload of ${grouped(view.payloadBytes)} bytes${protocol}`;
}

function routeOf({ version, route }: PacketView, self: NodeId): string {
  const own = route.findIndex((id) => nodeKey(id) === nodeKey(self));
  const ids = route.map((id, index) => (index === own ? 'this node' : shortId(id)));
  return `version ${version}, ${ids.join(' > ')}`;
}

function senderOf({ record, view, self }: Seen): string {
  const own = view?.route.findIndex((id) => nodeKey(id) === nodeKey(self)) ?? -1;
  const before = own > 0 ? view?.route[own - 1] : undefined;
  const said = record.previousHop === null ? null : shortId(record.previousHop);
  const from = record.from === null ? 'a module of this node' : record.from;
  const known = said === null ? from : `${from}, who is ${said}`;
  return before === undefined ? known : `${known}; the route says ${shortId(before)}`;
}

function proofTimes(view: PacketView | null, { atMillis }: FlightRecord): string {
  const proof = view?.paymentProof;
  if (proof === null || proof === undefined) return '';
  const expires = proof.kind === 'Lightning' ? `, expires ${timeOf(Number(proof.expiresAt))}` : '';
  return `dated ${timeOf(Number(proof.timestamp))}${expires}, came ${timeOf(atMillis / 1_000)}`;
}

function amountsOf({ view, invoice, config }: Seen): string {
  if (view === null || view.paymentProof === null) return '';
  const hops = Math.max(0, view.route.length - 1);
  const price = priceMsat(config.fees, hops, view.payloadBytes);
  const said = `the proof says ${grouped(amountMsatOf(view.paymentProof))} msat`;
  const invoiced = view.paymentProof.kind === 'Lightning' ? `, ${invoicedText(invoice)}` : '';
  return `${said}${invoiced}; ${hops} ${hops === 1 ? 'hop' : 'hops'} cost ${grouped(price)} msat here`;
}

function invoicedText(invoice: Invoice | null): string {
  if (invoice === null) return 'the invoice is not read';
  return invoice.amountMsat === null
    ? 'the invoice names none'
    : `the invoice ${grouped(invoice.amountMsat)} msat`;
}

/** As people tell nodes apart on a screen. */
export function shortId(id: NodeId): string {
  return nodeKey(id).slice(0, DIGITS);
}

function hexStart(bytes: Uint8Array): string {
  return `${Buffer.from(bytes).toString('hex').slice(0, DIGITS)}…`;
}

/** ISO 8601 in UTC, to the second; what no date can be is shown as its number. */
export function timeOf(unixSeconds: number): string {
  const date = new Date(unixSeconds * 1_000);
  return Number.isNaN(date.getTime()) ? String(unixSeconds) : date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function grouped(value: number | bigint): string {
  return value.toLocaleString('en-US');
}
