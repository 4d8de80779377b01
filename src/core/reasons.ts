/**
 * Why something from outside was refused: the one table of reason codes, with the sentence a person reads.
 *
 * Rules: payments.md (each failure is a verdict with its own code and counter), style.md (declared once; only
 * numbers travel between threads). Codes are stable: a code is never given a second meaning.
 * docs/reasons.md is made from this table.
 */

/** Code, name, sentence. A reason's area is its code's hundreds. */
export const REASON_TABLE = [
  [0, 'Accepted', 'nothing is wrong'],

  // 1xx: bytes that do not decode (wire.md).
  [100, 'Truncated', 'the input ends before its value does'],
  [101, 'LengthBeyondInput', 'a length is larger than the bytes that follow it'],
  [102, 'UnknownTag', 'an enum tag is not one of its type'],
  [103, 'BadOption', 'an option byte is neither 0 nor 1'],
  [104, 'BadBool', 'a bool byte is neither 0 nor 1'],
  [105, 'BadUtf8', 'a string is not valid UTF-8'],
  [106, 'TrailingBytes', 'bytes are left over behind the value'],
  [107, 'DuplicateKey', 'a map holds the same key twice'],
  [108, 'NotHex', 'the text is not hexadecimal'],
  [109, 'UnsupportedType', 'the node did not publish the layout of this type'],
  [110, 'EventTypeMismatch', "an event's type and its payload disagree"],
  [111, 'RequestTypeMismatch', "a request's type and its payload disagree"],
  [112, 'InputTooLong', 'the input is longer than anything of its kind can be'],
  [113, 'FrameEmpty', 'a frame holds at least one byte'],
  [
    114,
    'FrameTooLarge',
    'a frame is longer than its socket allows: 40 MiB from the node, 1,000,000 bytes from a peer',
  ],
  [115, 'NotCanonical', 'a length is written in more bytes than it needs'],
  [
    116,
    'BadWitness',
    'the witness marker of a transaction is wrong, or announces a witness that is not there',
  ],
  [117, 'BadInputIndex', 'an input index is a whole number from 0 to 4294967295'],

  // 2xx: a packet that decodes but is not allowed (payments.md, any proof, 1).
  [200, 'PacketTooLarge', 'a whole packet is at most 1,000,000 bytes'],
  [201, 'PayloadTooLarge', 'a payload is at most 262,144 bytes'],
  [202, 'UnsupportedVersion', 'the packet version is not 1'],
  [203, 'RouteTooShort', 'a route needs at least its source and its destination'],
  [204, 'RouteTooLong', 'a route is at most 10 hops'],
  [205, 'RouteRepeatsNode', 'a route holds the same node twice'],
  [206, 'RouteEndsMismatch', 'a route must start with the source and end with the destination'],
  [207, 'NotOnRoute', 'this node is not on the route'],
  [208, 'WrongPreviousHop', 'the packet did not come from the node before this one on its route'],
  [209, 'Loopback', 'source and destination are the same node'],
  [210, 'UnknownPeer', 'the sender has not said who it is'],
  [211, 'PacketExpired', 'the packet outlived its ttl'],
  [212, 'SpoofedSource', 'the packet names this node as its source but came from elsewhere'],
  [213, 'MetadataTooLarge', 'the metadata of a packet is at most 64 fields and 4,096 bytes'],
  [214, 'BadTtl', 'the ttl in the metadata of a packet is a whole number of seconds from 0 to 86,400'],
  [215, 'UnprovenPeer', 'the sender has not proven who it is, and the packet is not for this node'],

  // 3xx: the gate (payments.md, free traffic).
  [300, 'ModeForbids', 'the mode of this node does not carry this traffic'],
  [301, 'PaymentRequired', 'this traffic must be paid and carries no proof'],
  [302, 'TypeMismatch', "the packet's declared type and its payload disagree"],
  [303, 'GovernanceNotAllowed', 'this governance protocol or node is not on the allow list'],
  [304, 'FreeQuotaExceeded', "the sender's quota of free traffic is used up"],
  [305, 'ControlQuotaExceeded', "the sender's quota of control traffic is used up"],
  [306, 'ControlTooLarge', 'a control packet is larger than its protocol allows'],
  [307, 'UnknownControl', 'the control protocol is not one of this module'],
  [308, 'ModuleDisabled', 'the mesh is switched off in the configuration'],
  [309, 'SequenceReplayed', 'the sequence number was seen already or is too old'],
  [310, 'Overloaded', 'every queue on the way is full'],
  [311, 'PacketQuotaExceeded', "the sender's packets per minute are used up"],
  [312, 'NotRecorded', 'the payment could not be written to the journal, so nothing was done'],
  [313, 'UnexpectedProof', 'a packet of a free type carries no payment proof'],
  [314, 'OtherBitcoinNetwork', 'the Bitcoin message is of another network than this node'],
  [315, 'JudgeUnavailable', 'the worker that judged this packet was lost, or no packets are judged any more'],

  // 4xx: the payment (payments.md).
  [400, 'ProofFromFuture', 'the proof is dated more than 120 seconds ahead'],
  [401, 'ProofExpired', 'the proof itself claims to have expired'],
  [402, 'InvoiceTooLong', 'an invoice is longer than this module reads'],
  [403, 'InvoiceMalformed', 'the text has not the form of an invoice: a foreign character, or too short'],
  [404, 'InvoiceChecksum', "the invoice's checksum is wrong"],
  [405, 'InvoiceSignature', "the invoice's signature is not valid"],
  [406, 'InvoicePayeeMismatch', 'the invoice names a payee who did not sign it'],
  [407, 'InvoiceMixedCase', 'an invoice is in one case'],
  [408, 'InvoiceDuplicateField', 'a field that may stand once stands twice'],
  [409, 'InvoiceMissingField', 'a field that every invoice needs is missing'],
  [410, 'InvoiceUnknownFeature', 'the invoice asks for a feature that this module does not know'],
  [411, 'WrongNetwork', 'the invoice is of another network'],
  [412, 'InvoiceExpired', 'the invoice has expired'],
  [413, 'InvoiceFromFuture', 'the invoice is dated more than 120 seconds ahead'],
  [414, 'NoAmount', 'the invoice names no amount and this node did not issue it'],
  [415, 'AmountMismatch', "the proof's amount is not the payment's amount"],
  [416, 'AmountTooLow', 'the payment does not cover the price of this packet'],
  [417, 'WrongPreimage', 'the preimage does not hash to the payment hash'],
  [418, 'PayeeNotAccepted', 'the payee is none of the accepted ones'],
  [419, 'PayeeIsSource', "the payee is the source's own key"],
  [420, 'ReplayedPayment', 'this payment was used already'],
  [421, 'BindingMismatch', 'the invoice commits to another use'],
  [422, 'BindingRequired', 'this node accepts only invoices that commit to their use'],
  [423, 'DebtCapReached', 'the payee owes this node more than its cap'],
  [425, 'PaymentUnknown', 'the node could not confirm this payment in time'],
  [426, 'AmountNotExact', 'the amount is no whole number of millisatoshis, or above 2^64-1'],
  [
    427,
    'ReplayTableFull',
    'as many used payments are remembered as this node can; no further one is accepted',
  ],
  [428, 'CtvDisabled', 'this node accepts no payments by covenant (option ctv)'],
  [429, 'TemplateHashMismatch', 'the template hash is not the BIP119 hash of the template'],
  [430, 'HostTemplateHash', "the template hash is of the host node's own kind, which is not BIP119"],
  [431, 'NoFundingInput', 'the transaction has no input, so nothing funds it'],
  [432, 'OutputIndexUnknown', 'the template has no output of that index'],
  [433, 'OutputNotAccepted', 'the output pays to none of the receive scripts of this node'],
  [434, 'FundingMissing', 'the funding output does not exist or is spent'],
  [435, 'FundingScriptMismatch', 'the funding output does not commit to the template'],
  [436, 'FundingTooLow', 'the funding output does not cover the outputs of the template'],
  [437, 'PaymentRequestUnknown', 'the node knows no such payment request'],
  [438, 'PaymentNotSettled', 'the payment request is not settled'],
  [439, 'PaymentOtherTransaction', 'the payment request was settled by another transaction'],
  [440, 'TooFewConfirmations', 'the transaction has fewer confirmations than this node asks for'],
  [
    441,
    'JournalTooYoung',
    'the payment is older than the journal, which cannot tell whether it was used before',
  ],
  [450, 'InvoicePrefix', 'the invoice does not begin with ln, a known network, and at most one amount'],
  [451, 'InvoiceFieldLength', 'a field of the invoice has a length that its kind cannot have'],
  [452, 'InvoicePadding', 'the bits that fill up a field of the invoice are not the ones of whole bytes'],
  [453, 'InvoiceBadText', "the invoice's description is not valid UTF-8"],
  [454, 'InvoiceBadKey', 'a public key in the invoice is no point of secp256k1'],
  [455, 'InvoiceHighS', "the invoice names its payee, and the signature is not the pair's low one"],

  // 5xx: discovery and routing (routing.md).
  [500, 'UnauthenticatedPeer', 'only an authenticated neighbour may teach routes'],
  [501, 'ResponseNotAsked', 'the route response answers no request of this node'],
  [502, 'ResponseBadRoute', 'the route of a response does not fit its request'],
  [503, 'RequestSeen', 'this route request was handled already'],
  [504, 'HopsExhausted', 'the route request has no hops left'],
  [505, 'RequestQuotaExceeded', 'the neighbour sends too many route requests'],
  [506, 'AdvertisementQuotaExceeded', 'the neighbour advertises too often or too much'],
  [507, 'AdvertisementInfeasible', 'the advertised route is not feasible'],
  [508, 'RouteUnknown', 'no route to the destination is known'],
  [509, 'NextHopLost', 'the next hop is gone and there is no other way'],
  [510, 'DiscoveryTimeout', 'no answer to the route request came in time'],
  [511, 'HelloMismatch', 'a hello does not fit the connection it came from'],
  [512, 'TooManyPeers', 'this node has as many peers as it may have'],
  [513, 'RouteUnreachable', 'the cost of the route means unreachable'],
  [514, 'TooManyPending', 'as many route requests are in flight as this node keeps'],
  [515, 'RouteConcentrated', 'every known route gives one entity more than its share (option concentration)'],

  // 6xx: module API and delivery (wire.md).
  [600, 'UnknownMethod', 'the module API has no such method'],
  [601, 'RequestTooLarge', 'a request is at most 262,144 bytes'],
  [602, 'NoHandler', 'no module has registered for this protocol'],
  [603, 'HandlerFailed', 'the protocol handler did not take the packet'],
  [604, 'BadLimit', 'a limit is outside its range'],
  [605, 'InboxFull', 'as many packets wait for their module as this node keeps'],
  [606, 'HandlerTaken', 'another module has registered for this protocol'],
  [607, 'NoInvoiceProvider', 'no Lightning provider of this node can issue invoices for the mesh'],
  [608, 'InvoicePending', 'the Lightning provider of this node is making the invoice: ask again'],
  [609, 'InvoiceNotIssued', 'the Lightning provider of this node made no invoice that can be used'],

  // 7xx: connections of the direct transport (docs/transport.md).
  [700, 'HandshakeFailed', 'the handshake failed, or took too long, its hello included'],
  [701, 'CertificateForeign', 'the certificate is not that of one Ed25519 key, signed by itself'],
  [702, 'HelloMissing', 'the first frame of a connection is not a signed hello'],
  [703, 'HelloSignature', 'the signature of a hello does not fit its key and this very connection'],
  [704, 'HelloOtherNetwork', 'the peer is on another network'],
  [705, 'HelloNoCommonVersion', 'the peer speaks no version of the protocol that this node speaks'],
  [706, 'PinMismatch', 'another node answers at the address than the one that was expected there'],
  [707, 'SelfConnection', 'the connection leads to this node itself'],
  [708, 'DuplicateConnection', 'another connection to the same peer is kept'],
  [709, 'AddressLimit', 'too many connections, or too often, from one address or network'],
  [710, 'HandshakeLimit', 'as many handshakes are under way as this node pays for at once'],
  [711, 'PeerBanned', 'the peer or its address is banned for a while'],
  [712, 'PeerIdle', 'the peer was silent for longer than a connection may be'],
  [713, 'SlowReader', 'the peer does not read what it is sent'],
  [714, 'PeerMisbehaved', 'the peer sent too much that no honest node sends'],
  [715, 'ConnectionLost', 'the connection ended'],
  [716, 'DialFailed', 'the address does not answer'],
  [717, 'LinkFull', 'as much waits for the peer as this node keeps'],
] as const;

/** The name of a reason, as shown to people and scripts. */
export type ReasonName = (typeof REASON_TABLE)[number][1];

declare const reasonBrand: unique symbol;

/** A reason's numeric code, as it travels between threads. */
export type Reason = number & { readonly [reasonBrand]: true };

/** Reason codes by name. */
export const Reason: { readonly [N in ReasonName]: Reason } = Object.fromEntries(
  REASON_TABLE.map(([code, name]) => [name, code]),
) as { readonly [N in ReasonName]: Reason };

const byCode = new Map<number, (typeof REASON_TABLE)[number]>(REASON_TABLE.map((row) => [row[0], row]));

/** The name of a code; codes come from our own threads, so an unknown one is our bug. */
export function reasonName(reason: Reason): ReasonName {
  const row = byCode.get(reason);
  if (row === undefined) throw new Error(`assertion failed: ${String(reason)} is no reason code`);
  return row[1];
}

/** The sentence for people. */
export function reasonText(reason: Reason): string {
  const row = byCode.get(reason);
  if (row === undefined) throw new Error(`assertion failed: ${String(reason)} is no reason code`);
  return row[2];
}

/** A number read from shared memory as a reason, or null where it is none. */
export function reasonOf(code: number): Reason | null {
  return byCode.has(code) ? (code as Reason) : null;
}
