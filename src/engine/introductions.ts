/**
 * Peers that have not proven who they are: what each of them sends is judged in turn, so that a packet right behind
 * a hello finds its sender known.
 *
 * Rules: payments.md, any proof, 1 (the sender must be the id before this node's). A verdict takes its time, and
 * the node hands over in one go what it has read. Main thread only.
 */
import type { Peer } from './peers.js';

/** Must call `done` once, and not throw. */
export type Introduced = (done: () => void) => void;

const NOTHING = (): void => undefined;

export class Introductions {
  /** What waits for what came before it, by the address of such a peer, of which something is being done. */
  readonly #waiting = new Map<string, Introduced[]>();

  /** Does the work at once where the peer is proven, otherwise after what came from it before. */
  inTurn(peer: Peer, work: Introduced): void {
    if (peer.isProven) {
      work(NOTHING);
      return;
    }
    const waiting = this.#waiting.get(peer.address);
    if (waiting === undefined) {
      this.#waiting.set(peer.address, [work]);
      this.#next(peer);
    } else waiting.push(work);
  }

  /** Does what waits, one after the other as long as the peer is not proven. */
  #next(peer: Peer): void {
    const waiting = this.#waiting.get(peer.address) ?? [];
    for (let work = waiting.shift(); work !== undefined; work = waiting.shift()) {
      if (peer.isProven) work(NOTHING);
      else if (!this.#isDoneAtOnce(peer, work)) return;
    }
    this.#waiting.delete(peer.address);
  }

  /** Begins with the work; what waits behind it goes on when it is done, by the caller where that is at once. */
  #isDoneAtOnce(peer: Peer, work: Introduced): boolean {
    let isDone = false;
    let isLater = false;
    work(() => {
      isDone = true;
      if (isLater) this.#next(peer);
    });
    isLater = true;
    return isDone;
  }
}
