/**
 * What became of recorded packets, in plain words and as JSON: what arrived, each check with its inputs and result,
 * what to do. Main thread; long searches give the event loop back now and then.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { toHex } from '../../core/bytes.js';
import type { Json } from '../../core/codec.js';
import { nodeKey } from '../../core/ids.js';
import { Reason, reasonName, reasonText } from '../../core/reasons.js';
import { digestOf, type FlightRecord } from '../../metrics/recorder.js';
import type { MeshModule } from '../../engine/module.js';
import { checksOf, timeOf, type CheckLine } from './checks.js';
import { readRecorded } from './packet-view.js';
import { remedyOf } from './remedies.js';

/**
 * Which entries are wanted, newest first. All that is given must hold. Hellos and discovery that passed come all the
 * time and would hide everything else: they are found by their id alone.
 */
export interface Wish {
  /** Hex digits that the packet id begins with. */
  readonly packetId?: string;
  readonly reason?: Reason;
  /** Address of a peer, or digits that its node id begins with. */
  readonly peer?: string;
  /** Entries at most. */
  readonly last: number;
}

export interface Explanation {
  readonly at: string;
  readonly packetId: string | null;
  readonly outcome: FlightRecord['outcome'];
  readonly reason: string;
  readonly code: number;
  readonly meaning: string;
  readonly from: string | null;
  readonly peer: string | null;
  readonly bytes: number;
  /** Ids from source to destination; empty where the packet cannot be read. */
  readonly route: readonly string[];
  readonly checks: readonly CheckLine[];
  readonly remedy: string;
}

/** An explanation without its checks. */
export type PacketHead = Omit<Explanation, 'checks' | 'remedy' | 'route'>;

/** Entries looked at before others get their turn: below a few milliseconds. */
const ENTRIES_A_TURN = 500;

export type Recorded = Pick<MeshModule, 'recorder' | 'config' | 'self'> & {
  readonly peers: Pick<MeshModule['peers'], 'list'>;
};

export async function explain(mesh: Recorded, wish: Wish): Promise<readonly Explanation[]> {
  const { recorder } = mesh;
  const found: Explanation[] = [];
  const { oldest, next } = recorder.range;
  for (let sequence = next - 1; sequence >= oldest && found.length < wish.last; sequence--) {
    if ((next - sequence) % ENTRIES_A_TURN === 0) await nextTurn();
    const record = recorder.at(sequence);
    if (record !== null && isWanted(record, wish, mesh)) found.push(explanationOf(record, mesh));
  }
  return found;
}

/** The newest entries in short, for lists. */
export function newestPackets(mesh: Recorded, count: number): readonly PacketHead[] {
  const { recorder } = mesh;
  const { oldest, next } = recorder.range;
  const newest: PacketHead[] = [];
  for (let sequence = next - 1; sequence >= oldest && newest.length < count; sequence--) {
    const record = recorder.at(sequence);
    if (record !== null && record.outcome !== 'control') newest.push(headOf(record, mesh));
  }
  return newest;
}

function isWanted(record: FlightRecord, { packetId, reason, peer }: Wish, mesh: Recorded): boolean {
  const isRoutine = record.outcome === 'control' && record.reason === Reason.Accepted;
  if (packetId === undefined && isRoutine) return false;
  if (reason !== undefined && record.reason !== reason) return false;
  if (peer !== undefined && !isOfPeer(record, peer.toLowerCase(), mesh)) return false;
  return packetId === undefined || idOf(record)?.startsWith(packetId.toLowerCase()) === true;
}

function isOfPeer(record: FlightRecord, peer: string, mesh: Recorded): boolean {
  return record.from?.toLowerCase() === peer || peerOf(record, mesh)?.startsWith(peer) === true;
}

/** The node id behind the entry's address, as the link vouched for it then, or as it is known now. */
function peerOf({ from, previousHop }: FlightRecord, { peers }: Recorded): string | null {
  if (previousHop !== null) return nodeKey(previousHop);
  const known = from === null ? null : (peers.list().find(({ address }) => address === from)?.nodeId ?? null);
  return known === null ? null : nodeKey(known);
}

/** Packet id in hex; null where the packet was not kept whole. */
function idOf({ head, length, digest }: FlightRecord): string | null {
  if (digest !== null) return toHex(digest);
  return head.length === length && length > 0 ? toHex(digestOf(head)) : null;
}

function headOf(record: FlightRecord, mesh: Recorded): PacketHead {
  const { reason, outcome, from, length, atMillis } = record;
  return {
    at: timeOf(atMillis / 1_000),
    packetId: idOf(record),
    outcome,
    reason: reasonName(reason),
    code: reason,
    meaning: reasonText(reason),
    from,
    peer: peerOf(record, mesh),
    bytes: length,
  };
}

function explanationOf(record: FlightRecord, mesh: Recorded): Explanation {
  const { reason, outcome } = record;
  const hasPassed = reason === Reason.Accepted || outcome === 'control';
  const reading = readRecorded(record);
  return {
    ...headOf(record, mesh),
    route: reading.ok ? reading.view.route.map(nodeKey) : [],
    checks: checksOf(record, reading, hasPassed ? null : reasonName(reason), mesh),
    remedy: hasPassed ? '' : remedyOf(reason),
  };
}

export function explainJson(found: readonly Explanation[], mesh: Recorded): Json {
  return {
    packets: found.map((explanation) => ({
      ...explanation,
      checks: explanation.checks.map((line) => ({ ...line })),
    })),
    recorder: { ...mesh.recorder.stats() },
  };
}

const MARKS = { ok: 'ok  ', failed: 'FAIL', 'not reached': '-   ' } as const;
const OUTCOMES: { readonly [O in FlightRecord['outcome']]: string } = {
  refused: 'was refused',
  delivered: 'was delivered here',
  forwarded: 'was handed to its next hop',
  held: 'waits',
  expired: 'was accepted and could not be delivered in time',
  control: 'was a control message for this node',
};

export function explainText(found: readonly Explanation[], mesh: Recorded): string {
  const { entries, aboveRate, floodedOut } = mesh.recorder.stats();
  if (found.length === 0) {
    return [
      `none of the ${entries} recorded packets is that one.`,
      'Every refusal is recorded until 100,000 newer ones came; of packets that passed, all up to 200 a second and one of 64',
      `above that (${aboveRate} were above it), and above that rate refusals for a used-up quota are only counted (${floodedOut}).`,
      'So it passed unrecorded, is older, or never came: ask the node before this one.',
    ].join('\n');
  }
  return found.map(textOf).join('\n\n');
}

function textOf(found: Explanation): string {
  const { at, packetId, outcome, reason, code, meaning, from, peer, bytes, checks, remedy } = found;
  const who =
    from === null ? 'a module of this node' : peer === null ? from : `${from} (${peer.slice(0, 12)})`;
  const why = remedy === '' ? '' : `: ${reason} (${code}), ${meaning}`;
  const width = Math.max(...checks.map(({ check }) => check.length));
  return [
    `${at}  packet ${packetId ?? 'of unknown id'}, ${bytes} bytes from ${who}`,
    `${OUTCOMES[outcome]}${why}`,
    ...checks.map(({ check, state, inputs }) =>
      `  ${MARKS[state]}  ${check.padEnd(width)}  ${inputs}`.trimEnd(),
    ),
    ...(remedy === '' ? [] : [`what to do: ${remedy}`]),
  ].join('\n');
}
