/** What an operator, or whoever sent the packet, can do about a refusal: by its reason, else by the reason's area. */
import { reasonName, type Reason, type ReasonName } from '../../core/reasons.js';

const BY_AREA: readonly string[] = [
  'nothing',
  "the sender's bytes are no packet of this wire format: `blvm-mesh inspect packet HEX` says what is wrong with them",
  'the sender built a packet that no node carries: its own node or client is to be mended',
  "raise the limit that docs/config.md names for it if this peer may send more, or leave it: it protects the others' traffic",
  'the sender needs another payment: a fresh invoice of an accepted payee, paid in full, for this packet alone',
  'nothing here: the neighbour sent a route message that does not fit; if it goes on, look at that neighbour',
  'look at the module that was to take the packet: is it running, and has it registered its protocol?',
  'the direct link to that peer was refused: it must prove its identity, keep to the limits, and speak this version',
];

const BY_REASON: { readonly [N in ReasonName]?: string } = {
  UnsupportedVersion: 'the sender runs another version of the wire format: upgrade the older of the two',
  NotOnRoute:
    'the sender routed it over this node by mistake; its routes are out of date: it should discover anew',
  WrongPreviousHop:
    'the peer at that address is not the node that the route names before this one: its route is out of date, or it lies',
  UnknownPeer: 'it said no hello yet: it is accepted once it has; `blvm-mesh peers` shows who has',
  SpoofedSource:
    'somebody sends in the name of this node: look at that peer, and ban it at the node if it goes on',
  PacketExpired: 'no next hop took it in time: see `blvm-mesh trace DESTINATION`',
  ModeForbids:
    'this mode does not carry it: `blvm-mesh set-mode payment_gated` (until the configuration is read again), or mode in config.toml and `blvm-mesh reload`',
  PaymentRequired: 'the sender must pay: `blvm-mesh send … --invoice … --preimage …`',
  TypeMismatch: "the packet's type and its payload disagree: the sender is to name the right type, or to pay",
  GovernanceNotAllowed:
    'add the protocol to governance_protocols and the node to governance_nodes, or let it be paid',
  FreeQuotaExceeded:
    'raise free_packets_per_minute or free_bytes_per_minute if this peer may send more for free',
  PacketQuotaExceeded: 'raise rate_limit_per_minute if this peer may send more',
  ModuleDisabled: 'set enabled = true in config.toml, and `blvm-mesh reload`',
  SequenceReplayed:
    'a free packet came twice, or far too late: nothing to do, unless its sender lost its counter',
  Overloaded: 'more came than the workers judge: raise workers, or lower rate_limit_per_minute',
  NotRecorded:
    'the journal could not be written: `blvm-mesh doctor` tells about disk and journal; then restart',
  JudgeUnavailable: 'a worker was lost: it is started again by itself; the log says why it died',
  OtherBitcoinNetwork: 'set network to that of the node, or look at a peer on another network',
  ProofFromFuture: "one of the two clocks is wrong: `blvm-mesh doctor` compares this node's with its peers'",
  ProofExpired:
    'the sender should send sooner after paying, or claim a later expiry, up to that of the invoice',
  WrongNetwork: 'the invoice is of another Bitcoin network than this node: set network, or pay on this one',
  InvoiceExpired:
    'the invoice was too old when it came: pay a fresh one; if it is fresh, a clock is wrong (`blvm-mesh doctor`)',
  InvoiceFromFuture: 'one of the two clocks is wrong: `blvm-mesh doctor`',
  NoAmount: 'the payee should issue invoices that name an amount',
  AmountMismatch: "the proof must name exactly the invoice's amount",
  AmountTooLow: 'the sender must pay the price: `blvm-mesh rpc meshquoteroute` tells it; fees.* sets it',
  WrongPreimage:
    'the preimage does not belong to this invoice: it was not paid, or the wrong one was sent along',
  PayeeNotAccepted:
    'it was paid to somebody else: if that key is yours or of the destination, add it to accepted_payees or payees',
  PayeeIsSource: 'who sends paid itself: it must pay the destination',
  ReplayedPayment:
    'each payment is good for one packet: the sender needs a new invoice; on a retry of your own it had arrived already',
  BindingRequired:
    'binding = "strict" wants invoices with a description hash over their use; "payee" takes any',
  DebtCapReached: 'have that payee settle: `blvm-mesh ledger settle PAYEE`; or raise max_unsettled_msats',
  PaymentUnknown: 'the node could not confirm it in time: send it again',
  ReplayTableFull: 'raise replay_capacity and restart',
  CtvDisabled: 'set ctv = true only where the network enforces BIP119',
  TooFewConfirmations: 'wait for more blocks, or lower min_confirmations',
  PaymentNotSettled: 'the payment has not arrived yet: send the packet once it has',
  JournalTooYoung: 'the payment is older than this journal: pay anew',
  UnauthenticatedPeer: 'the peer must say hello first',
  NextHopLost:
    'the next hop is gone and no other way is known: `blvm-mesh peers`, `blvm-mesh trace DESTINATION`',
  RouteUnknown: 'no way is known: `blvm-mesh trace DESTINATION` looks for one',
  TooManyPeers: 'raise max_peers',
  NoHandler: 'no module took its protocol: it waits in the inbox until one registers or polls',
};

export function remedyOf(reason: Reason): string {
  return BY_REASON[reasonName(reason)] ?? BY_AREA[Math.floor(reason / 100)] ?? '';
}
