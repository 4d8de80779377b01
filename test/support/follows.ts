// What a judge may say of packets that follow each other, by a slow look at their bytes, and a judge that says all of it.
import { equalBytes } from '../../src/core/bytes.js';
import { viewPacket } from '../../src/packet/packet.js';
import type { OnVerdict, PacketJudge, PacketSender, PacketVerdict } from '../../src/pool/judge-port.js';

/** Behind MESH: version, type, source, destination, and the length of the route. */
const BEFORE_ROUTE = 1 + 4 + 2 * 32 + 8;

export interface ToldPacket {
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
  readonly kind: PacketVerdict['kind'];
}

/** The verdict without what is only a hint. */
export function withoutHint(verdict: PacketVerdict): PacketVerdict {
  return { ...verdict, follows: false, sequence: 0 };
}

/** The sequence number of a packet that follows another; null where it does not. */
export function followingNumber(before: ToldPacket | null, now: ToldPacket): bigint | null {
  if (before?.kind !== 'free' || now.kind !== 'free') return null;
  const [one, other] = [viewPacket(before.bytes), viewPacket(now.bytes)];
  if (!one.ok || !other.ok || !isSameSender(before.sender, now.sender)) return null;
  const isAlike = equalBytes(beginningOf(before.bytes), beginningOf(now.bytes));
  return isAlike ? other.value.packet.sequence : null;
}

function isSameSender(one: PacketSender, other: PacketSender): boolean {
  const [a, b] = [one.previousHop, other.previousHop];
  return one.origin === other.origin && a !== null && b !== null && equalBytes(a, b);
}

function beginningOf(bytes: Uint8Array): Uint8Array {
  const start = bytes[0] === 0x4d ? 4 : 0;
  const ids = bytes[start + BEFORE_ROUTE - 8] ?? 0;
  return bytes.subarray(start, start + BEFORE_ROUTE + 32 * ids);
}

/** A judge that gives every hint that holds, within a turn of the event loop. */
export function hinting(judge: PacketJudge): PacketJudge {
  let before: ToldPacket | null = null;
  const judgeWithHints = (bytes: Uint8Array, sender: PacketSender, onVerdict: OnVerdict): void => {
    judge.judge(bytes, sender, (verdict, judged) => {
      const now = { bytes, sender, kind: verdict.kind };
      const number = before?.sender.peer === sender.peer ? followingNumber(before, now) : null;
      if (before === null) {
        queueMicrotask(() => {
          before = null;
        });
      }
      before = now;
      const isTold = number !== null && number <= BigInt(Number.MAX_SAFE_INTEGER);
      onVerdict(isTold ? { ...verdict, follows: true, sequence: Number(number) } : verdict, judged);
    });
  };
  return {
    judge: judgeWithHints,
    readInvoices: (texts) => judge.readInvoices(texts),
    isFull: (peer) => judge.isFull(peer),
    onRoom: (peer, onRoom) => {
      judge.onRoom(peer, onRoom);
    },
    updatePolicy: (policy) => {
      judge.updatePolicy(policy);
    },
    stats: () => judge.stats(),
    close: () => judge.close(),
  };
}
