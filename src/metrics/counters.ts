/**
 * Counters and gauges of one running module: what `status` shows and an operator reads first.
 *
 * Rules: payments.md (each refusal has its own counter). Main thread only. Every name is counted from its first
 * use; groups are bounded, so that names which come from outside cannot fill the memory.
 */
import { LIMITS } from '../core/limits.js';
import { reasonName, type Reason } from '../core/reasons.js';
import type { DeclaredTraffic } from '../packet/declared.js';

/** What names past the bound of their group are counted under. */
export const OTHER_NAMES = 'other';

/** The counts of one moment, ready to be JSON. Every count starts at 0 with the process. */
export type CountersSnapshot = {
  /** Refusals by the name of their reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Packets by the protocol they were taken for. */
  readonly protocols: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  /** Packets that arrived and their bytes, by what they say they are, the ones refused at once left out. */
  readonly arrived: Readonly<Record<DeclaredTraffic, { readonly packets: number; readonly bytes: number }>>;
  /** Bytes of packets that passed, by what they were found to be. */
  readonly passedBytes: Readonly<Record<PassedClass, number>>;
  /** Bytes of refused packets by the name of the reason. */
  readonly refusedBytes: Readonly<Record<string, number>>;
  /** 64-bit amounts are decimal strings. */
  readonly gauges: Readonly<Record<string, number | string>>;
};

/** One look-up counts: on the packet path there are several a packet. */
type Group = Map<string, { count: number }>;

/** What passed is of one of these classes. */
export type PassedClass = DeclaredTraffic;

/** What is counted of one class. */
interface ClassCounts {
  readonly arrived: { packets: number; bytes: number };
  readonly passed: { count: number };
  passedBytes: number;
}

function noneYet(): ClassCounts {
  return { arrived: { packets: 0, bytes: 0 }, passed: { count: 0 }, passedBytes: 0 };
}

export class Counters {
  readonly #refused: Group = new Map();
  readonly #protocols: Group = new Map();
  readonly #counts: Group = new Map();
  readonly #paid = noneYet();
  readonly #free = noneYet();
  readonly #control = noneYet();
  readonly #refusedBytes: Group = new Map();
  readonly #gauges = new Map<string, () => number | bigint>();
  /** What is counted for nearly every packet: without looking for its name. */
  readonly hot = {
    packets_received: { count: 0 },
    packets_delivered: { count: 0 },
    packets_sent: { count: 0 },
    packets_forwarded: { count: 0 },
  };

  constructor() {
    for (const [name, slot] of Object.entries(this.hot)) this.#counts.set(name, slot);
    this.#counts.set('packets_paid', this.#paid.passed);
    this.#counts.set('packets_free', this.#free.passed);
    this.#counts.set('packets_control', this.#control.passed);
  }

  /** Counts a packet that arrived, by what it says it is. */
  arrived(traffic: DeclaredTraffic, bytes: number): void {
    const { arrived } = this.#of(traffic);
    arrived.packets++;
    arrived.bytes += bytes;
  }

  /** Counts a packet that passed, and its bytes. */
  passed(kind: PassedClass, bytes: number): void {
    const counts = this.#of(kind);
    counts.passed.count++;
    counts.passedBytes += bytes;
  }

  /** Counts one refusal. @param bytes of the packet, where it is one */
  refuse(reason: Reason, bytes = 0): void {
    const name = reasonName(reason);
    add(this.#refused, name, 1);
    if (bytes > 0) add(this.#refusedBytes, name, bytes);
  }

  /** Counts one packet of a protocol. The name may come from outside. */
  protocol(name: string): void {
    add(this.#protocols, name, 1);
  }

  /** Counts something that happened, once or several times. */
  count(name: string, times = 1): void {
    add(this.#counts, name, times);
  }

  /** How often it was counted. */
  countOf(name: string): number {
    return this.#counts.get(name)?.count ?? 0;
  }

  /** How often this reason was given. */
  refusedFor(reason: Reason): number {
    return this.#refused.get(reasonName(reason))?.count ?? 0;
  }

  /** Names a value that is read whenever a snapshot is taken; the last reader of a name holds. */
  gauge(name: string, read: () => number | bigint): void {
    this.#gauges.set(name, read);
  }

  /** All counts of this moment, names in alphabetical order. */
  snapshot(): CountersSnapshot {
    const gauges = [...this.#gauges].map(([name, read]): [string, number | string] => {
      const value = read();
      return [name, typeof value === 'bigint' ? String(value) : value];
    });
    const [paid, control, free] = [this.#paid, this.#control, this.#free];
    return {
      refused: sorted(countsOf(this.#refused)),
      protocols: sorted(countsOf(this.#protocols)),
      counts: sorted(countsOf(this.#counts)),
      passedBytes: { paid: paid.passedBytes, free: free.passedBytes, control: control.passedBytes },
      refusedBytes: sorted(countsOf(this.#refusedBytes)),
      arrived: { paid: { ...paid.arrived }, control: { ...control.arrived }, free: { ...free.arrived } },
      gauges: sorted(gauges),
    };
  }

  /** Written out: to look for a name that changes takes longer than to count. */
  #of(traffic: DeclaredTraffic): ClassCounts {
    if (traffic === 'free') return this.#free;
    return traffic === 'paid' ? this.#paid : this.#control;
  }
}

function add(group: Group, name: string, times: number): void {
  const known = group.get(name);
  if (known !== undefined) known.count += times;
  else if (group.size < LIMITS.METRIC_NAMES || name === OTHER_NAMES) group.set(name, { count: times });
  else add(group, OTHER_NAMES, times);
}

/** What was counted at least once. */
function countsOf(group: Group): readonly (readonly [string, number])[] {
  return [...group].map(([name, { count }]) => [name, count] as const).filter(([, count]) => count > 0);
}

/** An object without a prototype, so that a name like `__proto__` is a name like any other. */
function sorted<V>(entries: Iterable<readonly [string, V]>): Readonly<Record<string, V>> {
  const result = Object.create(null) as Record<string, V>;
  for (const [name, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) result[name] = value;
  return result;
}
