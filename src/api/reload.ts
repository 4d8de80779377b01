/**
 * Reading the configuration again: on SIGHUP, on the node's ConfigLoaded, and when it is asked for.
 *
 * What can change while running does, at once; what cannot is named (config/live.ts). A configuration that cannot be
 * read or that is not allowed changes nothing. One reload at a time. Main thread.
 */
import { errorText, MeshError } from '../core/errors.js';
import type { Log } from '../core/ports.js';
import type { LoadedConfig, MeshConfig } from '../config/config.js';
import { RELOAD } from '../config/live.js';
import type { MeshModule } from '../engine/module.js';

/** What came of it. */
export type ReloadOutcome =
  | {
      readonly ok: true;
      /** Options that differ from what was in force, and hold now. */
      readonly changed: readonly string[];
      /** Options that differ, and hold from the next start on. */
      readonly needRestart: readonly string[];
      /** Of the file. */
      readonly warnings: readonly string[];
    }
  | { readonly ok: false; readonly error: string };

export interface ReloaderParts {
  /** As at the start. @throws MeshError CONFIG_INVALID, CONFIG_UNREADABLE */
  readonly read: () => Promise<LoadedConfig>;
  /** Whether the host has room for so many workers beside those that run. */
  readonly hasRoom: (wanted: number, running: number) => boolean;
  /** What is not the mesh's: the log. */
  readonly onChanged: (config: MeshConfig) => void;
  readonly log: Log;
}

export class Reloader {
  readonly #parts: ReloaderParts;
  #mesh: Pick<MeshModule, 'config' | 'reconfigure'> | null = null;
  /** Asked for before the mesh was up. */
  #isWanted = false;
  #last: Promise<unknown> = Promise.resolve();
  #needRestart: readonly string[] = [];

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
  }

  /** Options of the file that was read last which hold from the next start on. */
  get needRestart(): readonly string[] {
    return this.#needRestart;
  }

  /** The mesh is up. */
  attach(mesh: Pick<MeshModule, 'config' | 'reconfigure'>): void {
    this.#mesh = mesh;
    if (this.#isWanted) this.request();
  }

  /** Reloads as soon as it can, and tells the log alone. */
  request(): void {
    if (this.#mesh === null) this.#isWanted = true;
    else void this.reload();
  }

  /** Reloads. Never rejects. */
  reload(): Promise<ReloadOutcome> {
    const outcome = this.#last.then(() => this.#reload());
    this.#last = outcome;
    return outcome;
  }

  async #reload(): Promise<ReloadOutcome> {
    const { read, log, onChanged } = this.#parts;
    const mesh = this.#mesh;
    if (mesh === null) return { ok: false, error: 'the mesh is not up yet' };
    try {
      const { config, warnings } = await read();
      for (const warning of warnings) log.log('warn', warning);
      const fitting = this.#fitting(config, mesh.config);
      const { changed, needRestart, config: inForce } = await mesh.reconfigure(fitting);
      onChanged(inForce);
      this.#needRestart = fitting === config ? needRestart : [...needRestart, 'workers'];
      log.log('info', 'the configuration was read again', { changed: changed.join(', ') || 'nothing' });
      for (const name of needRestart) {
        log.log('warn', `${name} was changed and holds from the next start on`, { why: RELOAD[name].note });
      }
      return { ok: true, changed, needRestart: this.#needRestart, warnings };
    } catch (error) {
      const text = errorText(error);
      log.log('error', 'the configuration was not read again; the old one holds', { error: text });
      return { ok: false, error: error instanceof MeshError ? `${error.code}: ${text}` : text };
    }
  }

  /** As it was read, but for workers that the host has no room for while the former ones are there. */
  #fitting(read: MeshConfig, inForce: MeshConfig): MeshConfig {
    const { workers, batchMax } = inForce;
    const isSame = read.workers === workers && read.batchMax === batchMax;
    if (isSame || this.#parts.hasRoom(read.workers, workers)) return read;
    this.#parts.log.log('warn', 'the host has no room for other workers beside those that run', {
      asked: read.workers,
      running: workers,
    });
    return { ...read, workers, batchMax };
  }
}

/** For people. */
export function reloadText(outcome: ReloadOutcome): string {
  if (!outcome.ok) return `nothing has changed: ${outcome.error}`;
  const { changed, needRestart, warnings } = outcome;
  return [
    ...warnings,
    changed.length === 0 ? 'nothing changed that holds at once' : `changed: ${changed.join(', ')}`,
    ...(needRestart.length === 0 ? [] : [`from the next start on: ${needRestart.join(', ')}`]),
  ].join('\n');
}
