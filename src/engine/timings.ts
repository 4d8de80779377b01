/**
 * How long things take on a packet's way: measured around the parts, which know nothing of it.
 *
 * Of packets and requests one of LIMITS.TIMING_SAMPLE is measured; each fdatasync and each search is. Main thread.
 */
import { LIMITS } from '../core/limits.js';
import type { Clock, RelayLink } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { Histogram, HOP_BOUNDS, Sampler, WORK_BOUNDS } from '../metrics/latency.js';
import type { BatchTimes } from '../pool/desk.js';
import { judgingBy, type PacketJudge } from '../pool/judge-port.js';
import type { Disk, DiskFile } from '../store/disk.js';
import type { MeshManager } from './mesh-manager.js';

const MILLIS = 1_000;
const MICROS = 1_000_000;

/** Reasons of verdicts that no worker gave. */
const UNJUDGED: ReadonlySet<Reason> = new Set([
  Reason.Overloaded,
  Reason.JudgeUnavailable,
  Reason.PacketTooLarge,
]);

export class Timings {
  /** From the queue of the peer to the verdict of a worker, seconds. */
  readonly judge: Histogram = new Histogram();
  /** From the queue of the peer until a worker takes the batch, seconds. */
  readonly queue: Histogram = new Histogram();
  /** Of a worker with one batch, seconds. */
  readonly worker: Histogram = new Histogram(WORK_BOUNDS);
  /** Of a worker with one packet, in the mean of its batch, seconds. */
  readonly verify: Histogram = new Histogram(WORK_BOUNDS);
  /** From the arrival to the delivery or the next hop, seconds. */
  readonly endToEnd: Histogram = new Histogram();
  /** One fdatasync of the journal, seconds. */
  readonly fsync: Histogram = new Histogram();
  /** From a request to send a packet to the answer of the node, seconds. */
  readonly nodeRequest: Histogram = new Histogram();
  /** From the start of a search to its first route, seconds. */
  readonly discovery: Histogram = new Histogram();
  /** Hops of the first route of each search. */
  readonly pathHops: Histogram = new Histogram(HOP_BOUNDS);
  readonly #clock: Clock;
  readonly #packets = new Sampler(LIMITS.TIMING_SAMPLE);
  readonly #verdicts = new Sampler(LIMITS.TIMING_SAMPLE);
  readonly #sends = new Sampler(LIMITS.TIMING_SAMPLE);

  /** When the batch was taken whose verdicts are handed out. */
  #takenMillis = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A batch is done, and its verdicts come next. */
  batchDone({ packets, workMicros, agoMillis }: BatchTimes): void {
    this.#takenMillis = this.#clock.monotonicMillis() - agoMillis;
    this.worker.observe(workMicros / MICROS);
    this.verify.observe(workMicros / MICROS / packets, packets);
  }

  /** The manager's way in for packets, timed now and then. */
  handled(manager: Pick<MeshManager, 'handlePacket'>): Pick<MeshManager, 'handlePacket'> {
    return {
      handlePacket: (bytes, address, until) => {
        const outcome = manager.handlePacket(bytes, address, until);
        if (!this.#packets.isDue()) return outcome;
        const since = this.#clock.monotonicMillis();
        return outcome.then((settled) => {
          if (settled.kind === 'delivered' || settled.kind === 'forwarded') this.#took(this.endToEnd, since);
          return settled;
        });
      },
    };
  }

  /** A search found its first route. */
  found(hops: number, tookMillis: number): void {
    this.discovery.observe(tookMillis / MILLIS);
    this.pathHops.observe(hops);
  }

  /** The judge, with its verdicts timed now and then. */
  judged(judge: PacketJudge): PacketJudge {
    return judgingBy(judge, (bytes, sender, onVerdict) => {
      if (!this.#verdicts.isDue()) {
        judge.judge(bytes, sender, onVerdict);
        return;
      }
      const since = this.#clock.monotonicMillis();
      judge.judge(bytes, sender, (verdict, judged) => {
        this.#took(this.judge, since);
        if (!UNJUDGED.has(verdict.reason)) {
          this.queue.observe(Math.max(0, this.#takenMillis - since) / MILLIS);
        }
        onVerdict(verdict, judged);
      });
    });
  }

  /** The node's relay, with its sends timed now and then. */
  sent(link: RelayLink): RelayLink {
    return {
      send: (address, bytes) => {
        const sending = link.send(address, bytes);
        if (!this.#sends.isDue()) return sending;
        const since = this.#clock.monotonicMillis();
        return sending.finally(() => {
          this.#took(this.nodeRequest, since);
        });
      },
    };
  }

  /** The disk, with each dataSync timed. */
  synced(disk: Disk): Disk {
    const timed = (file: DiskFile): DiskFile => ({
      size: () => file.size(),
      read: (target, position) => file.read(target, position),
      write: (bytes, position) => file.write(bytes, position),
      truncate: (length) => file.truncate(length),
      dataSync: async () => {
        const since = this.#clock.monotonicMillis();
        await file.dataSync();
        this.#took(this.fsync, since);
      },
      close: () => file.close(),
    });
    return {
      list: (prefix) => disk.list(prefix),
      open: async (path) => {
        const file = await disk.open(path);
        return file === null ? null : timed(file);
      },
      create: async (path) => timed(await disk.create(path)),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
    };
  }

  #took(histogram: Histogram, sinceMillis: number): void {
    histogram.observe((this.#clock.monotonicMillis() - sinceMillis) / MILLIS);
  }
}
