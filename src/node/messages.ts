/**
 * The messages as TypeScript sees them: types that follow from the tables, field names as the node writes them.
 *
 * An enum's value is { name, value }: null where the variant holds nothing, the inner value where it holds one,
 * the fields where it has fields. An enum in which no variant holds anything is its name. 64-bit integers (and
 * usize) are bigint; byte vectors and hashes are Uint8Array. Types are those of the newest generation; where an
 * older one lacks an optional field, it reads as null.
 */
import type { Shape, VariantShape } from './generations.js';
import type { EVENTS } from './table-events.js';
import type { REQUESTS } from './table-requests.js';
import type { RESPONSES } from './table-responses.js';
import type { ENUMS, STRUCTS } from './table-structs.js';

/** The layout of these was not published: no value of them can be read or written. */
export const UNPUBLISHED_TYPES: readonly string[] = [
  'Block',
  'Transaction',
  'Witness',
  'BlockTemplate',
  'SubmitBlockResult',
  'BlockServeDenylistSnapshot',
  'TxServeDenylistSnapshot',
  'serde_json::Value',
];

interface Primitives {
  readonly bool: boolean;
  readonly u8: number;
  readonly u32: number;
  readonly i32: number;
  readonly f64: number;
  readonly u64: bigint;
  readonly i64: bigint;
  readonly usize: bigint;
  readonly String: string;
  /** 32 bytes in internal order: the reverse of what explorers print. */
  readonly Hash: Uint8Array;
  readonly CorrelationId: bigint;
}

interface MessageEnums {
  readonly MessageType: string;
  readonly RequestPayload: RequestPayload;
  readonly ResponsePayload: ResponsePayload;
  readonly EventType: string;
  readonly EventPayload: EventPayload;
}

/** The TypeScript type of a type in the tables' notation; never for one whose layout was not published. */
export type ValueOf<T extends string> = T extends keyof Primitives
  ? Primitives[T]
  : T extends 'Vec<u8>'
    ? Uint8Array
    : T extends `Option<${infer Inner}>`
      ? ValueOf<Inner> | null
      : T extends `Vec<(${infer First}, ${infer Second})>`
        ? readonly (readonly [ValueOf<First>, ValueOf<Second>])[]
        : T extends `Vec<${infer Inner}>`
          ? readonly ValueOf<Inner>[]
          : T extends `HashMap<String, ${infer Inner}>`
            ? ReadonlyMap<string, ValueOf<Inner>>
            : T extends keyof MessageEnums
              ? MessageEnums[T]
              : T extends keyof typeof ENUMS
                ? EnumOf<(typeof ENUMS)[T]>
                : T extends keyof typeof STRUCTS
                  ? StructOf<(typeof STRUCTS)[T]>
                  : never;

type StructOf<S extends Shape> = { readonly [F in keyof S]: ValueOf<S[F]> };

type ContentOf<V extends VariantShape> = V extends null
  ? null
  : V extends string
    ? ValueOf<V>
    : V extends Shape
      ? StructOf<V>
      : never;

type EnumOf<E extends Readonly<Record<string, VariantShape>>> = E[keyof E] extends null
  ? keyof E & string
  : { [N in keyof E & string]: { readonly name: N; readonly value: ContentOf<E[N]> } }[keyof E & string];

/** What the node answers, and with what. */
export type ResponsePayload = EnumOf<typeof RESPONSES>;
export type ResponseName = ResponsePayload['name'];
export type ResponseValue<N extends ResponseName> = Extract<ResponsePayload, { readonly name: N }>['value'];

/** What is asked of the node. */
export type RequestPayload = EnumOf<typeof REQUESTS>;
export type RequestName = RequestPayload['name'];

/** What happened: the newest generation's events, and the one that only older nodes have. */
export type EventPayload =
  | EnumOf<typeof EVENTS>
  | { readonly name: 'FibrePeerRegistered'; readonly value: { readonly peer_addr: string } };
export type EventName = EventPayload['name'];

/** An event as handlers see it. Its event_type says the same as its name: one that does not is never delivered. */
export type NodeEvent = EventPayload;

/** One frame's body. */
export type ModuleMessage = ValueOf<'ModuleMessage'>;
export type RequestMessage = ValueOf<'RequestMessage'>;
export type ResponseMessage = ValueOf<'ResponseMessage'>;
export type InvocationMessage = ValueOf<'InvocationMessage'>;
export type InvocationResultMessage = ValueOf<'InvocationResultMessage'>;
export type LogMessage = ValueOf<'LogMessage'>;

/** What the node asks of a module. */
export type Invocation = ValueOf<'InvocationType'>;
export type InvocationResultPayload = ValueOf<'InvocationResultPayload'>;

export type CliSpec = ValueOf<'CliSpec'>;
export type PeerInfo = ValueOf<'PeerInfo'>;
export type PaymentState = ValueOf<'PaymentState'>;
export type LightningInfo = ValueOf<'LightningInfo'>;
export type BlockHeader = ValueOf<'BlockHeader'>;
export type ChainInfo = ValueOf<'ChainInfo'>;
export type MempoolSize = ValueOf<'MempoolSize'>;
export type Metric = ValueOf<'Metric'>;
export type ModuleHealth = ValueOf<'ModuleHealth'>;
export type ModuleInfo = ValueOf<'ModuleInfo'>;
export type NetworkStats = ValueOf<'NetworkStats'>;
export type OutPoint = ValueOf<'OutPoint'>;
export type Utxo = ValueOf<'UTXO'>;
export type SyncStatus = ValueOf<'SyncStatus'>;
export type TxBlockMetadata = ValueOf<'TxBlockMetadata'>;
export type LogLevelName = ValueOf<'LogLevel'>;
