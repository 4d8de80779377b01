/** The part of `status --json` that the demonstration reads, checked as it comes from another process. */

/** One connection of the direct transport. */
export interface LinkStatus {
  readonly nodeId: string;
  readonly packetsOut: number;
  readonly bytesOut: number;
}

export interface ModuleStatus {
  readonly nodeId: string;
  readonly counters: {
    readonly refused: Readonly<Record<string, number>>;
    /** What was counted beside refusals; what never happened is not there. */
    readonly counts: Readonly<Record<string, number>>;
  };
  readonly ledger: { readonly conserved: boolean };
  /** null where the module runs over the node alone. */
  readonly transport: { readonly links: readonly LinkStatus[] } | null;
  /** Decimal strings, msat. */
  readonly received: {
    readonly totalMsat: string;
    readonly destinationMsat: string;
    readonly routersMsat: string;
    readonly treasuryMsat: string;
  };
}

/** The status, or null where there is none. */
export function statusOf(value: unknown): ModuleStatus | null {
  return isStatus(value) ? value : null;
}

function isStatus(value: unknown): value is ModuleStatus {
  const { nodeId, counters, ledger, received, transport } = record(value);
  const { refused, counts } = record(counters);
  const isCounted = [refused, counts].every((group) =>
    Object.values(record(group)).every((count) => typeof count === 'number'),
  );
  const parts = ['totalMsat', 'destinationMsat', 'routersMsat', 'treasuryMsat'];
  const areAmounts = parts.every((part) => typeof record(received)[part] === 'string');
  const links: unknown = transport === null ? [] : record(transport)['links'];
  const areLinks = Array.isArray(links) && links.every(isLink);
  return (
    typeof nodeId === 'string' &&
    isCounted &&
    areLinks &&
    areAmounts &&
    typeof record(ledger)['conserved'] === 'boolean'
  );
}

function isLink(value: unknown): boolean {
  const { nodeId, packetsOut, bytesOut } = record(value);
  return typeof nodeId === 'string' && typeof packetsOut === 'number' && typeof bytesOut === 'number';
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
