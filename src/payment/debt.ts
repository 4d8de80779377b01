/**
 * How much a payee may owe this node: its share of payments that went to a Lightning key which is not its own.
 *
 * Rules: payments.md, Lightning, Bounded trust.
 */

/** Whether a payee that owes so much is past its cap. @param capMsat 0 for none */
export function isPastCap(owedMsat: bigint, capMsat: bigint): boolean {
  return capMsat > 0n && owedMsat >= capMsat;
}
