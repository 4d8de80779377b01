/** A whole mesh node in this process, as `blvm-mesh run` starts it, on a development node of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '#dist/config/config.js';
import { systemClock } from '#dist/core/clock.js';
import type { Log } from '#dist/core/ports.js';
import { systemRandom } from '#dist/core/random.js';
import { runDevNode } from '#dist/dev/index.js';
import { MeshModule } from '#dist/engine/module.js';
import { ModuleIntegration } from '#dist/node/module-integration.js';
import { benchFolder } from './folder.js';

export interface MeshNode {
  readonly mesh: MeshModule;
  readonly integration: ModuleIntegration;
  /** Ends all of it, and removes what it has written. */
  readonly close: () => Promise<void>;
}

/** @param configText the text of its configuration file */
export async function startMeshNode(configText: string, log: Log): Promise<MeshNode> {
  const folder = benchFolder();
  const network = await runDevNode({ nodes: 1, dir: mkdtempSync(join(folder, 'node-')) });
  const parts = { clock: systemClock, random: systemRandom };
  const integration = await ModuleIntegration.connect({
    socketPath: network.node('node-1').socketPath,
    moduleId: 'blvm-mesh',
    moduleName: 'blvm-mesh',
    version: '0.0.0',
    log,
    ...parts,
  });
  const mesh = await MeshModule.start({
    config: parseConfig({ text: configText, fileName: 'bench', env: {} }).config,
    dataDir: mkdtempSync(join(folder, 'data-')),
    integration,
    logs: () => log,
    onNodeShutdown: () => undefined,
    onConfigLoaded: () => undefined,
    ...parts,
  });
  return {
    mesh,
    integration,
    close: async () => {
      await mesh.close();
      await integration.close();
      await network.close();
      rmSync(folder, { recursive: true });
    },
  };
}
