// Channels in memory on a virtual clock: whole networks of transports in one process, without a socket.
import { randomBytes } from 'node:crypto';
import type { VirtualClock } from '../../src/core/clock.js';
import { Reason } from '../../src/core/reasons.js';
import { hostPortText } from '../../src/transport/addresses.js';
import type {
  AcceptHooks,
  Channel,
  ChannelEvents,
  ChannelNet,
  Dialled,
} from '../../src/transport/channel.js';
import type { TestIdentity } from './identities.js';

const LATENCY_MILLIS = 5;

/** One end of a stream. */
export class MemoryChannel implements Channel {
  readonly remote: string;
  readonly nodeId: Channel['nodeId'];
  readonly binding: Uint8Array;
  readonly written: Uint8Array[] = [];
  other: MemoryChannel | null = null;
  isClosed = false;
  /** Whether the other end reads: what is written waits for it. */
  isRead = true;
  readonly #clock: VirtualClock;
  #events: ChannelEvents | null = null;
  #isPaused = false;
  #arrived: Uint8Array[] = [];

  constructor(clock: VirtualClock, facts: Pick<Channel, 'remote' | 'nodeId' | 'binding'>) {
    this.#clock = clock;
    this.remote = facts.remote;
    this.nodeId = facts.nodeId;
    this.binding = facts.binding;
  }

  listen(events: ChannelEvents): void {
    this.#events = events;
    this.#clock.after(0, () => {
      this.#deliver();
    });
  }

  write(bytes: Uint8Array, onWritten: () => void): void {
    const copy = bytes.slice();
    this.written.push(copy);
    if (!this.isRead) return;
    this.#clock.after(LATENCY_MILLIS, () => {
      if (this.isClosed) return;
      onWritten();
      this.other?.arrive(copy);
    });
  }

  arrive(bytes: Uint8Array): void {
    this.#arrived.push(bytes);
    this.#deliver();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#clock.after(0, () => {
      this.#deliver();
    });
  }

  end(): void {
    // All that was written has gone: the other end gets it, and closes.
    this.#clock.after(LATENCY_MILLIS + 1, () => this.other?.destroy());
  }

  destroy(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { other } = this;
    // What is under way still arrives before the end does.
    this.#clock.after(LATENCY_MILLIS + 1, () => other?.ended());
    this.#clock.after(0, () => this.#events?.onClose());
  }

  ended(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#events?.onClose();
  }

  #deliver(): void {
    while (!this.#isPaused && !this.isClosed && this.#events !== null) {
      const chunk = this.#arrived.shift();
      if (chunk === undefined) return;
      this.#events.onData(chunk);
    }
  }
}

export class MemoryWorld {
  readonly clock: VirtualClock;
  readonly #listeners = new Map<string, { readonly owner: TestIdentity; readonly hooks: AcceptHooks }>();
  #ports = 40_000;
  /** Dials by address. */
  readonly dials: string[] = [];
  /** Every pair that was made, the dialling end first. */
  readonly pairs: (readonly [MemoryChannel, MemoryChannel])[] = [];

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  /** The network as a node at a host has it. */
  at(host: string, owner: TestIdentity): ChannelNet {
    return {
      listen: (_host, port, hooks) => {
        const address = hostPortText(host, port);
        this.#listeners.set(address, { owner, hooks });
        return Promise.resolve({
          port,
          close: () => {
            this.#listeners.delete(address);
            return Promise.resolve();
          },
        });
      },
      dial: (to, port) => this.dial(owner, host, hostPortText(to, port)),
    };
  }

  /** @param binding what both ends export; a lying middle would have two */
  dial(dialler: TestIdentity, from: string, to: string): Promise<Dialled> {
    this.dials.push(to);
    const refused = (reason: Reason): Dialled => ({ ok: false, reason });
    return new Promise((resolve) => {
      this.clock.after(LATENCY_MILLIS, () => {
        const listener = this.#listeners.get(to);
        if (listener === undefined) {
          resolve(refused(Reason.DialFailed));
          return;
        }
        const knock = { host: from };
        if (!listener.hooks.admits(knock)) {
          resolve(refused(Reason.DialFailed));
          return;
        }
        const binding = new Uint8Array(randomBytes(32));
        const near = new MemoryChannel(this.clock, { remote: to, nodeId: listener.owner.nodeId, binding });
        const port = this.#ports++;
        const remote = hostPortText(from, port);
        const far = new MemoryChannel(this.clock, { remote, nodeId: dialler.nodeId, binding });
        near.other = far;
        far.other = near;
        this.pairs.push([near, far]);
        listener.hooks.onDone(knock, { ok: true, channel: far });
        resolve({ ok: true, channel: near });
      });
    });
  }

  /** Moves the clock, and lets what was promised happen on the way. */
  async run(millis: number, stepMillis = 5): Promise<void> {
    for (let moved = 0; moved < millis; moved += stepMillis) {
      this.clock.advance(stepMillis);
      await Promise.resolve();
      await Promise.resolve();
      await Promise.resolve();
    }
  }
}
