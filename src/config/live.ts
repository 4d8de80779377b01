/** Which options may change while the module runs: those that packets and payments are judged by. */
import { bigintAsText } from '../core/codec.js';
import type { MeshConfig } from './config.js';

/** Read for each packet or payment; all others are built into parts at the start. */
const LIVE = [
  'enabled',
  'mode',
  'acceptedPayees',
  'payees',
  'ownPayee',
  'binding',
  'ctv',
  'receiveScripts',
  'minConfirmations',
  'governanceProtocols',
  'governanceNodes',
] as const satisfies readonly (keyof MeshConfig)[];

export interface ConfigChanges {
  /** What can be taken over at once. */
  readonly live: Partial<MeshConfig>;
  /** Names of the others that differ. */
  readonly needRestart: readonly string[];
}

/** How a configuration that was read anew differs from the one in force. */
export function changedOptions(inForce: MeshConfig, read: MeshConfig): ConfigChanges {
  const isLive = (name: string): boolean => (LIVE as readonly string[]).includes(name);
  const needRestart = Object.keys(read).filter((name) => {
    const key = name as keyof MeshConfig;
    return !isLive(name) && textOf(inForce[key]) !== textOf(read[key]);
  });
  const live: Partial<MeshConfig> = Object.fromEntries(LIVE.map((name) => [name, read[name]]));
  return { live, needRestart };
}

function textOf(value: unknown): string {
  return JSON.stringify([value], bigintAsText);
}
