/** A whole mesh node in a process of its own, as `blvm-mesh run` starts it, on a development node in the same process. */
import { setTimeout as pause } from 'node:timers/promises';
import { nodeKey } from '#dist/core/ids.js';
import { LIMITS } from '#dist/core/limits.js';
import { Reason } from '#dist/core/reasons.js';
import type { MeshModule } from '#dist/engine/module.js';
import type { FlightRecorder } from '#dist/metrics/recorder.js';
import { answerCalls } from './child.js';
import { stopwatch } from './cpu.js';
import { residentBytes } from './memory.js';
import { startMeshNode } from './mesh-node.js';

let onEnd: () => Promise<void> = () => Promise.resolve();
let mesh: MeshModule | null = null;
let joined = 0;

function running(): MeshModule {
  if (mesh === null) throw new Error('it runs');
  return mesh;
}

/** Quotas are those of a trusted link: what is measured is the work. */
function configText(port: number, workers: number): string {
  return [
    'network = "regtest"',
    `listen_addr = "127.0.0.1:${port}"`,
    `workers = ${workers}`,
    'max_peers = 2000',
    'rate_limit_per_minute = 100000000',
    'free_packets_per_minute = 100000000',
    'free_bytes_per_minute = 1000000000000',
    'max_unsettled_msats = 0',
    '',
  ].join('\n');
}

/** Its rings are made once, and take their memory as they fill: full from the start, they are not laid to who comes later. */
function fillRecorder(recorder: FlightRecorder): void {
  const packet = new Uint8Array(LIMITS.RECORDER_PACKET_BYTES);
  for (let i = 0; i < LIMITS.RECORDER_PACKETS; i++) {
    recorder.refused(Reason.PacketExpired, packet, null, null);
  }
}

const operations = {
  /** @returns the node's id in hex */
  start: async ({ port, workers }: { readonly port: number; readonly workers: number }) => {
    const log = {
      log: (_level: string, message: string) => {
        if (message === 'a peer joined') joined += 1;
      },
    };
    const node = await startMeshNode(configText(port, workers), log);
    onEnd = node.close;
    mesh = node.mesh;
    fillRecorder(mesh.recorder);
    return nodeKey(mesh.self);
  },
  /** Peers that have joined since the start. */
  joined: () => joined,
  /** Processor time of so many milliseconds, in microseconds a second: of the process, and of its main thread. */
  look: async ({ millis }: { readonly millis: number }) => {
    const stop = stopwatch();
    const since = performance.now();
    await pause(millis);
    const { cpu } = stop((performance.now() - since) / 1_000);
    return cpu;
  },
  /** Processor time of this process, in microseconds. */
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  /** Resident memory of this process in bytes, after what is no longer used was given back. */
  memory: residentBytes,
  /** What was refused, by reason. */
  refused: () => running().counters.snapshot().refused,
  /** The directly connected peers. */
  peers: () => running().links.transport?.stats().connections ?? 0,
};

export type EngineOperations = typeof operations;

if (process.send !== undefined) answerCalls(operations, () => onEnd());
