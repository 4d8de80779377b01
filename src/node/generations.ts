/**
 * The seven wire generations of the node's IPC: the newest as a whole, each older one as what it lacks.
 *
 * Source: node-ipc.md and its tables, read from the published crates 0.1.1 to 0.1.83. Notation of the tables: a
 * struct is { field: type } in wire order; an enum is { variant: content } in tag order, where the content is
 * null, one type, or fields; types are written as in the node (`Option<Vec<u8>>`, `usize`).
 */
import { assert, present } from '../core/assert.js';
import { EVENTS, EVENT_TYPES } from './table-events.js';
import { MESSAGE_TYPES, REQUESTS } from './table-requests.js';
import { RESPONSES } from './table-responses.js';
import { ENUMS, STRUCTS } from './table-structs.js';

/** Fields of a struct, or of a variant, in wire order. */
export type Shape = Readonly<Record<string, string>>;

/** What a variant holds: nothing, one value, or fields. */
export type VariantShape = null | string | Shape;

/** Variants of an enum in tag order. */
export type EnumShape = Readonly<Record<string, VariantShape>>;

/** Every type of one generation. */
export interface Generation {
  /** First and last node version that speaks it. */
  readonly from: string;
  readonly to: string;
  readonly structs: Readonly<Record<string, Shape>>;
  readonly enums: Readonly<Record<string, EnumShape>>;
}

/** How a generation differs from the next newer one. */
interface Difference {
  readonly from: string;
  readonly to: string;
  /** Requests it lacks: in MessageType and in RequestPayload. */
  readonly requests?: readonly string[];
  readonly responses?: readonly string[];
  /** Events it lacks: in EventType and in EventPayload. */
  readonly events?: readonly string[];
  /** Kinds of invocations, and of their results, that it lacks. */
  readonly invocations?: readonly string[];
  readonly structs?: readonly string[];
  /** Fields it lacks, as struct.field or event.field. All are options: a reader sees null. */
  readonly fields?: readonly string[];
  /** Fields of another type. */
  readonly types?: Readonly<Record<string, string>>;
  /** Events that stand in the place of a newer one. */
  readonly replaced?: readonly { readonly newer: string; readonly older: string; readonly fields: Shape }[];
}

const DIFFERENCES: readonly Difference[] = [
  {
    from: '0.1.74',
    to: '0.1.80',
    requests: ['GetTxMetadata', 'GetMempoolFeeRateSummary'],
    responses: ['TxMetadata', 'MempoolFeeRateSummary'],
    events: ['PeerPayment'],
    structs: ['TxBlockMetadata', 'MempoolFeeRateSummary'],
  },
  {
    from: '0.1.56',
    to: '0.1.73',
    fields: ['PaymentState.reason'],
    types: { 'ChainInfo.difficulty': 'u32' },
  },
  {
    from: '0.1.29',
    to: '0.1.55',
    requests: [
      'GetBlockAndWitnesses',
      'GetBlockTemplateWithOutputs',
      'GetBlockTemplateDeclared',
      'SubmitMempoolTransaction',
    ],
    responses: ['BlockAndWitnesses', 'MempoolTransactionSubmitted'],
  },
  {
    from: '0.1.10',
    to: '0.1.28',
    invocations: ['ModuleApi'],
    fields: ['PeerConnected.peer_node_id'],
  },
  {
    from: '0.1.5',
    to: '0.1.9',
    requests: ['QueueReceivedBlock'],
    responses: ['ReceivedBlockQueued'],
    events: ['CompanionUdpPeerUnregistered'],
    replaced: [
      { newer: 'CompanionUdpPeerRegistered', older: 'FibrePeerRegistered', fields: { peer_addr: 'String' } },
    ],
  },
  {
    from: '0.1.1',
    to: '0.1.4',
    requests: ['RegisterCoreRpcOverride', 'UnregisterCoreRpcOverride'],
    responses: ['CoreRpcOverrideRegistered', 'CoreRpcOverrideUnregistered'],
  },
];

/** An enum without fields from the names in its table. */
function plainNames(text: string): EnumShape {
  return Object.fromEntries(
    text
      .trim()
      .split(/\s+/)
      .map((name) => [name, null]),
  );
}

const NEWEST: Generation = {
  from: '0.1.81',
  to: '0.1.83',
  structs: STRUCTS,
  enums: {
    ...ENUMS,
    MessageType: plainNames(MESSAGE_TYPES),
    RequestPayload: REQUESTS,
    ResponsePayload: RESPONSES,
    EventType: plainNames(EVENT_TYPES),
    EventPayload: EVENTS,
  },
};

function older(newer: Generation, difference: Difference): Generation {
  const structs: Record<string, Shape> = without(newer.structs, difference.structs);
  const enums: Record<string, EnumShape> = { ...newer.enums };
  const cut = (name: string, variants: readonly string[] | undefined): void => {
    enums[name] = without(present(enums[name], `${name} is in the tables`), variants);
  };
  cut('MessageType', difference.requests);
  cut('RequestPayload', difference.requests);
  cut('ResponsePayload', difference.responses);
  cut('EventType', difference.events);
  cut('EventPayload', difference.events);
  cut('InvocationType', difference.invocations);
  cut('InvocationResultPayload', difference.invocations);

  for (const { newer: name, older: oldName, fields } of difference.replaced ?? []) {
    enums['EventType'] = replaced(enums['EventType'], name, oldName, null);
    enums['EventPayload'] = replaced(enums['EventPayload'], name, oldName, fields);
  }
  const reshape = (path: string, change: (shape: Shape, field: string) => Shape): void => {
    const [owner, field] = path.split('.');
    assert(owner !== undefined && field !== undefined, 'a changed field is written owner.field');
    const struct = structs[owner];
    if (struct !== undefined) {
      structs[owner] = change(struct, field);
      return;
    }
    const event = enums['EventPayload']?.[owner];
    assert(
      typeof event === 'object' && event !== null,
      `${owner} is neither a struct nor an event with fields`,
    );
    enums['EventPayload'] = { ...enums['EventPayload'], [owner]: change(event, field) };
  };
  for (const path of difference.fields ?? []) reshape(path, (shape, field) => without(shape, [field]));
  for (const [path, type] of Object.entries(difference.types ?? {}))
    reshape(path, (shape, field) => ({ ...shape, [field]: type }));
  return { from: difference.from, to: difference.to, structs, enums };
}

function without<V>(record: Readonly<Record<string, V>>, keys: readonly string[] = []): Record<string, V> {
  for (const key of keys) assert(key in record, `${key} is in the newer generation`);
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

function replaced(shape: EnumShape | undefined, name: string, by: string, content: VariantShape): EnumShape {
  const variants = Object.entries(present(shape, 'the enum is in the tables'));
  assert(
    variants.some(([key]) => key === name),
    `${name} is in the newer generation`,
  );
  return Object.fromEntries(variants.map((entry) => (entry[0] === name ? [by, content] : entry)));
}

/** All generations, newest first. */
export const GENERATIONS: readonly Generation[] = DIFFERENCES.reduce<Generation[]>(
  (list, difference) => [...list, older(present(list.at(-1), 'the list starts with the newest'), difference)],
  [NEWEST],
);

/** How the node's version relates to the generation chosen for it. */
export type VersionFit = 'exact' | 'newer' | 'older' | 'unreadable';

/**
 * The generation to speak with a node of the given version. A newer version than any known gets the newest table,
 * and so does one that cannot be read (a build from source is likelier recent than old); one before 0.1.1 gets the
 * oldest.
 */
export function generationFor(version: string): {
  readonly generation: Generation;
  readonly fit: VersionFit;
} {
  const newest = present(GENERATIONS[0], 'there are generations');
  const oldest = present(GENERATIONS.at(-1), 'there are generations');
  const wanted = versionNumber(version);
  if (wanted === null) return { generation: newest, fit: 'unreadable' };
  if (wanted > present(versionNumber(newest.to), 'a version')) return { generation: newest, fit: 'newer' };
  for (const generation of GENERATIONS)
    if (wanted >= present(versionNumber(generation.from), 'a version')) return { generation, fit: 'exact' };
  return { generation: oldest, fit: 'older' };
}

/** major.minor.patch as one number that sorts alike; null where the text does not begin with three numbers. */
function versionNumber(version: string): number | null {
  const match = /^v?(\d{1,5})\.(\d{1,5})\.(\d{1,5})(?![\d.])/.exec(version);
  if (match === null) return null;
  const [, major, minor, patch] = match;
  return (Number(major) * 100_000 + Number(minor)) * 100_000 + Number(patch);
}
