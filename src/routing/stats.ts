/** What route discovery counts. */

/** Counted since the start, but for the first two. */
export interface DiscoveryStats {
  /** Searches of this node in flight. */
  readonly pending: number;
  /** Requests of others in memory. */
  readonly seen: number;
  readonly requestsSent: number;
  readonly requestsForwarded: number;
  readonly responsesAnswered: number;
  /** Of those, for another destination, from a route of this node's own. */
  readonly responsesFromTable: number;
  readonly responsesForwarded: number;
  readonly advertisementsSent: number;
  readonly hintsTaken: number;
  readonly hintsRefused: number;
  readonly routesRetracted: number;
  readonly routesFound: number;
  readonly routesFailed: number;
}

/** The counters behind them. */
export class DiscoveryCounts {
  requestsSent = 0;
  requestsForwarded = 0;
  responsesAnswered = 0;
  responsesFromTable = 0;
  responsesForwarded = 0;
  advertisementsSent = 0;
  hintsTaken = 0;
  hintsRefused = 0;
  routesRetracted = 0;
  routesFound = 0;
  routesFailed = 0;

  /** A copy of them. */
  stats(pending: number, seen: number): DiscoveryStats {
    return {
      pending,
      seen,
      requestsSent: this.requestsSent,
      requestsForwarded: this.requestsForwarded,
      responsesAnswered: this.responsesAnswered,
      responsesFromTable: this.responsesFromTable,
      responsesForwarded: this.responsesForwarded,
      advertisementsSent: this.advertisementsSent,
      hintsTaken: this.hintsTaken,
      hintsRefused: this.hintsRefused,
      routesRetracted: this.routesRetracted,
      routesFound: this.routesFound,
      routesFailed: this.routesFailed,
    };
  }
}
