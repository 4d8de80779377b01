// What a judge may say of packets that follow each other, by a slow look at their bytes, and a judge that says all of it.
import { equalBytes } from '../../src/core/bytes.js';
import { bincodeOf, viewPacket, type MeshPacket } from '../../src/packet/packet.js';
import {
  judgingBy,
  type PacketJudge,
  type PacketSender,
  type PacketVerdict,
} from '../../src/pool/judge-port.js';

/** Version, type, source, destination, and the length of the route. */
const BEFORE_ROUTE = 1 + 4 + 2 * 32 + 8;

export interface ToldPacket {
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
  readonly kind: PacketVerdict['kind'];
}

/** The sequence number of a packet that follows another; null where it does not. */
export function followingNumber(before: ToldPacket | null, now: ToldPacket): bigint | null {
  if (before?.kind !== 'free' || now.kind !== 'free') return null;
  const [one, other] = [viewPacket(before.bytes), viewPacket(now.bytes)];
  if (!one.ok || !other.ok || !isSameSender(before.sender, now.sender)) return null;
  const isAlike = equalBytes(
    beginningOf(before.bytes, one.value.packet),
    beginningOf(now.bytes, other.value.packet),
  );
  return isAlike ? other.value.packet.sequence : null;
}

function isSameSender(one: PacketSender, other: PacketSender): boolean {
  const [a, b] = [one.previousHop, other.previousHop];
  return one.origin === other.origin && a !== null && b !== null && equalBytes(a, b);
}

function beginningOf(bytes: Uint8Array, { route }: MeshPacket): Uint8Array {
  return bincodeOf(bytes).subarray(0, BEFORE_ROUTE + 32 * route.length);
}

/** A judge that gives every hint that holds, within a turn of the event loop. */
export function hinting(judge: PacketJudge): PacketJudge {
  let before: ToldPacket | null = null;
  return judgingBy(judge, (bytes, sender, onVerdict) => {
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
  });
}
