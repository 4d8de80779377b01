// What the interop suite reads of the module under test.
import { IpcCodec } from '../../src/node/ipc-codec.js';

/** What status tells, as far as the suite reads it. */
export interface InteropStatus {
  readonly nodeId: string;
  readonly uptimeSeconds: number;
  readonly counters: {
    readonly counts: Readonly<Record<string, number>>;
    readonly refused: Readonly<Record<string, number>>;
  };
  readonly node: {
    readonly state: string;
    readonly lost: number;
    readonly corrupt: number;
    readonly refused: readonly {
      readonly request: string;
      readonly consequence: string;
      readonly remedy: string;
    }[];
    readonly events: { readonly dropped: number };
  };
}

/** Every event of a node's generation. */
export function eventTypesOf(nodeVersion: string): readonly string[] {
  return Object.keys(IpcCodec.forVersion(nodeVersion).generation.enums['EventType'] ?? {});
}

/** Packets that an end was found for. */
export function verdictsOf({ counters: { counts, refused } }: InteropStatus): number {
  const kinds = ['packets_free', 'packets_paid', 'packets_control', 'packets_duplicate'];
  const passed = kinds.reduce((sum, kind) => sum + (counts[kind] ?? 0), 0);
  return Object.values(refused).reduce((sum, count) => sum + count, passed);
}
