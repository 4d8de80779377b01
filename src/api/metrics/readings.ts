/** What several numbers of the mesh come to as samples of one metric. */
import { REASON_TABLE } from '../../core/reasons.js';
import type { MeshModule } from '../../engine/module.js';
import { LINK_SCHEME } from '../../transport/session.js';

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export const labelled = (label: string, values: Readonly<Record<string, number>>): readonly Sample[] =>
  Object.entries(values).map(([name, value]) => ({ labels: { [label]: name }, value }));

export function peersByState(mesh: MeshModule): readonly Sample[] {
  const all = mesh.peers.list();
  const count = (isGreeted: boolean, isDirect: boolean): number =>
    all.filter(
      ({ nodeId, address }) =>
        (nodeId !== null) === isGreeted && address.startsWith(LINK_SCHEME) === isDirect,
    ).length;
  return ['greeted', 'silent'].flatMap((state) =>
    ['direct', 'relay'].map((transport) => ({
      labels: { state, transport },
      value: count(state === 'greeted', transport === 'direct'),
    })),
  );
}

export function arrivals(mesh: MeshModule, what: 'packets' | 'bytes'): readonly Sample[] {
  return Object.entries(mesh.counters.snapshot().arrived).map(([name, values]) => ({
    labels: { class: name },
    value: values[what],
  }));
}

const AREAS = ['none', 'decoding', 'form', 'gate', 'payment', 'routing', 'delivery', 'transport'] as const;

export function areaOf(code: number): string {
  return AREAS[Math.floor(code / 100)] ?? 'none';
}

/** Reasons that only one kind of proof can have. */
function kindOf(name: string, code: number): string {
  if (name.startsWith('Invoice') || (code >= 411 && code <= 423 && code !== 420)) return 'Lightning';
  if (['CtvDisabled', 'OutputNotAccepted', 'NoFundingInput'].includes(name) || name.startsWith('Funding'))
    return 'InstantSettlement';
  return name.startsWith('Payment') || name === 'TooFewConfirmations' ? 'OnChainSettlement' : 'any';
}

/** Kinds of proof that are counted each: the rest of the paid packets is Lightning. */
const ON_CHAIN = ['InstantSettlement', 'OnChainSettlement'] as const;

export function proofs(mesh: MeshModule): readonly Sample[] {
  const { counts, refused } = mesh.counters.snapshot();
  const refusals = REASON_TABLE.flatMap(([code, name]) =>
    refused[name] === undefined || areaOf(code) !== 'payment'
      ? []
      : [{ labels: { kind: kindOf(name, code), reason: name }, value: refused[name] }],
  );
  const paid = counts['packets_paid'] ?? 0;
  const onChain = ON_CHAIN.map((kind) => [kind, counts[`proofs_${kind}`] ?? 0] as const);
  const accepted = {
    Lightning: paid - onChain.reduce((sum, [, count]) => sum + count, 0),
    ...Object.fromEntries(onChain),
  };
  return [
    ...labelled('kind', accepted).map(({ labels, value }) => ({
      labels: { ...labels, reason: 'Accepted' },
      value,
    })),
    ...refusals,
  ];
}

/** Routes looked at for their age: a table may hold many. */
const AGED_ROUTES = 256;

export function middleAge({ table }: MeshModule): number {
  if (table.stats().totalRoutes > AGED_ROUTES * AGED_ROUTES) return 0;
  return middle(
    table
      .list()
      .slice(0, AGED_ROUTES)
      .flatMap(({ isDirect, ageSeconds }) => (isDirect ? [] : [ageSeconds])),
  );
}

export function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
