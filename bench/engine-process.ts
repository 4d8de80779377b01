/** A mesh node in a process of its own, on a port that was free. */
import type { NodeKey } from '#dist/core/ids.js';
import { freePort } from '#dist/dev/free-port.js';
import { Child } from './child.js';
import type { EngineOperations } from './transport-engine.js';

/** As bin/blvm-mesh starts a node. */
export const NODE_SETTINGS = ['--v8-pool-size=1', '--max-semi-space-size=64'];
/** The same where memory is limited: what is measured is what peers hold, not the room for what lives shortly. */
export const SMALL_SETTINGS: readonly string[] = ['--v8-pool-size=1', '--max-semi-space-size=8'];

export class EngineProcess {
  readonly child: Child<EngineOperations>;
  readonly port: number;
  readonly id: NodeKey;

  private constructor(child: Child<EngineOperations>, port: number, id: NodeKey) {
    this.child = child;
    this.port = port;
    this.id = id;
  }

  static async start(workers: number, settings: readonly string[] = NODE_SETTINGS): Promise<EngineProcess> {
    const child = new Child<EngineOperations>('transport-engine', settings);
    const port = await freePort();
    return new EngineProcess(child, port, await child.call('start', { port, workers }));
  }
}
