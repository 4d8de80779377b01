/** Postings as the ledger takes them: in their bytes. */
import { present } from '../../src/core/assert.js';
import { fromHex } from '../../src/core/bytes.js';
import type { Accounts } from '../../src/engine/accounts.js';
import type { Ledger } from '../../src/ledger/ledger.js';
import type { Posting } from '../../src/ledger/posting.js';
import { encodePosting, PostingView } from '../../src/ledger/posting-bytes.js';
import { PacketHead } from '../../src/packet/head.js';
import { encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import type { PacketVerdict } from '../../src/pool/judge-port.js';

/** A payment that was accepted. */
export interface Payment {
  readonly packet: MeshPacket;
  readonly verdict: PacketVerdict;
}

/** Resolves when a payment is recorded; rejects with what it could not be recorded for. */
export function recorded(accounts: Accounts, { packet, verdict }: Payment): Promise<void> {
  return new Promise((resolve, reject) => {
    accounts.record(new PacketHead(encodePacket(packet)), verdict, (error) => {
      if (error === null) resolve();
      else reject(error instanceof Error ? error : new Error('not recorded', { cause: error }));
    });
  });
}

/** A posting loaded from its bytes. */
export function viewOf(posting: Posting): PostingView {
  return viewOfBytes(encodePosting(posting));
}

export function viewOfBytes(bytes: Uint8Array): PostingView {
  const view = new PostingView();
  if (!view.load(bytes)) throw new Error('these bytes are no posting');
  return view;
}

/** A log of postings, a few at a time. */
export function* logOf(postings: readonly Posting[]): Generator<readonly Uint8Array[]> {
  for (let at = 0; at < postings.length; at += 2) yield postings.slice(at, at + 2).map(encodePosting);
}

/** What a payee owes by a ledger. @param payee 33 bytes in hex */
export function owedTo(ledger: Ledger, payee: string): bigint {
  const key = present(fromHex(payee), 'a key in hex');
  return ledger.owedByPayee(new DataView(key.buffer), 0);
}
