/** The part of `status --json` that the demonstration reads, checked as it comes from another process. */

export interface ModuleStatus {
  readonly counters: { readonly refused: Readonly<Record<string, number>> };
  readonly ledger: { readonly conserved: boolean };
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
  const { counters, ledger, received } = record(value);
  const isCounted = Object.values(record(record(counters)['refused'])).every(
    (count) => typeof count === 'number',
  );
  const parts = ['totalMsat', 'destinationMsat', 'routersMsat', 'treasuryMsat'];
  const areAmounts = parts.every((part) => typeof record(received)[part] === 'string');
  return isCounted && areAmounts && typeof record(ledger)['conserved'] === 'boolean';
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
