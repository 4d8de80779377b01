/**
 * Peers that have not said who they are: what each of them sends is judged in turn, so that a packet right behind
 * a hello finds its sender known.
 *
 * Rules: payments.md, any proof, 1 (the sender must be the id before this node's). A verdict takes its time, and
 * the node hands over in one go what it has read. Main thread only.
 */
import type { Peer } from './peers.js';

export class Introductions {
  /** What is being done for each such peer. */
  readonly #running = new Map<string, Promise<unknown>>();

  /**
   * Does the work at once where the peer is known, otherwise after what came from it before.
   * @param work must not reject
   */
  async inTurn<T>(peer: Peer, work: () => Promise<T>): Promise<T> {
    const { address } = peer;
    for (;;) {
      const before = this.#running.get(address);
      if (peer.nodeId !== null) return work();
      if (before === undefined) break;
      await before;
    }
    const mine = work();
    this.#running.set(address, mine);
    const result = await mine;
    this.#running.delete(address);
    return result;
  }
}
