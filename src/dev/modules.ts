/**
 * The modules of one node: who is connected, whose API may be called, how one module's call reaches another.
 *
 * Rules: node-ipc.md, 7 (a call waits 60 s for its answer); wire.md, ModuleAPI. Modules inside this process stand
 * beside connected ones: the node's Lightning module is one of them.
 */
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import type { ModuleInfo } from '../node/messages.js';
import { resultPayload, type ModuleConnection } from './connection.js';
import type { Permissions } from './permissions.js';

/** A module that runs inside the development node. */
export interface LocalModule {
  readonly name: string;
  readonly version: string;
  readonly methods: readonly string[];
  /** Answers one call; what it throws is the caller's error. */
  call(method: string, params: Uint8Array, callerModuleId: string): Uint8Array | Promise<Uint8Array>;
}

/** What a module's command line printed. */
export interface CliResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** What a module must have done to count as there. */
export type Readiness = 'connected' | 'subscribed' | 'api' | 'cli';

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

export class ModuleRegistry {
  readonly #clock: Clock;
  readonly #permissions: Permissions;
  /** In the order of their handshakes. */
  readonly #connected = new Set<ModuleConnection>();
  readonly #local = new Map<string, LocalModule>();
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock, permissions: Permissions) {
    this.#clock = clock;
    this.#permissions = permissions;
  }

  add(connection: ModuleConnection): void {
    this.#connected.add(connection);
    this.changed();
  }

  /** @returns whether it was one of them */
  remove(connection: ModuleConnection): boolean {
    return this.#connected.delete(connection);
  }

  addLocal(module: LocalModule): void {
    this.#local.set(module.name, module);
  }

  removeLocal(name: string): void {
    this.#local.delete(name);
  }

  /** All connections that shook hands. */
  get connected(): ReadonlySet<ModuleConnection> {
    return this.#connected;
  }

  /** The newest connection of a module by id or name: after a reconnect the older one is on its way out. */
  find(idOrName: string, isFit: (connection: ModuleConnection) => boolean): ModuleConnection | null {
    let found: ModuleConnection | null = null;
    for (const connection of this.#connected)
      if (connection.isNamed(idOrName) && isFit(connection)) found = connection;
    return found;
  }

  list(): readonly ModuleInfo[] {
    const infos = new Map<string, ModuleInfo>();
    for (const local of this.#local.values()) {
      infos.set(local.name, {
        module_id: local.name,
        module_name: local.name,
        version: local.version,
        capabilities: [],
        status: { name: 'Running', value: null },
        api_version: 1,
      });
    }
    for (const connection of this.#connected) {
      const { facts } = connection;
      if (facts === null) continue;
      infos.set(facts.moduleId, {
        module_id: facts.moduleId,
        module_name: facts.moduleName,
        version: facts.version,
        capabilities: [...this.#permissions.of(facts.moduleId)],
        status: { name: 'Running', value: null },
        api_version: connection.api?.version ?? 0,
      });
    }
    return [...infos.values()];
  }

  info(idOrName: string): ModuleInfo | null {
    return this.list().find((info) => info.module_id === idOrName || info.module_name === idOrName) ?? null;
  }

  /**
   * Calls a module's API.
   * @param target id or name; null means whoever has the method
   * @throws MeshError NODE_REQUEST_REFUSED where no such method is registered or the module refuses
   */
  async call(
    target: string | null,
    method: string,
    params: Uint8Array,
    callerModuleId: string,
    timeoutMillis: number = LIMITS.NODE_CALL_MILLIS,
  ): Promise<Uint8Array> {
    const local = this.#localFor(target, method);
    if (local !== null) {
      try {
        return await local.call(method, params, callerModuleId);
      } catch (error) {
        throw new MeshError('NODE_REQUEST_REFUSED', errorText(error), { target: local.name, method });
      }
    }
    const callee = this.#calleeFor(target, method);
    if (callee === null) {
      throw new MeshError(
        'NODE_REQUEST_REFUSED',
        `no module ${target ?? ''} with the method ${method} is registered here`,
        { target, method },
      );
    }
    const result = await callee.invoke(
      { name: 'ModuleApi', value: { method, params, caller_module_id: callerModuleId } },
      timeoutMillis,
    );
    const payload = resultPayload(result);
    if (payload.name !== 'ModuleApi') throw wrongResult(payload.name);
    return payload.value;
  }

  /** Runs a subcommand of the command line that a module registered. */
  async cli(
    name: string,
    subcommand: string,
    args: readonly string[],
    timeoutMillis: number = LIMITS.NODE_CALL_MILLIS,
  ): Promise<CliResult> {
    let callee: ModuleConnection | null = null;
    for (const connection of this.#connected) {
      if (connection.cliSpec !== null && (connection.cliSpec.name === name || connection.isNamed(name)))
        callee = connection;
    }
    if (callee === null) {
      throw new MeshError('NODE_REQUEST_REFUSED', `no module has registered a command line ${name}`, {
        name,
      });
    }
    const result = await callee.invoke({ name: 'Cli', value: { subcommand, args } }, timeoutMillis);
    const payload = resultPayload(result);
    if (payload.name !== 'Cli') throw wrongResult(payload.name);
    const { stdout, stderr, exit_code } = payload.value;
    return { stdout, stderr, exitCode: exit_code };
  }

  /**
   * Waits until a module is there.
   * @throws MeshError NODE_REQUEST_TIMEOUT
   */
  async waitFor(idOrName: string, readiness: Readiness, timeoutMillis: number): Promise<ModuleConnection> {
    const found = (): ModuleConnection | null => this.find(idOrName, IS_READY[readiness]);
    await this.until(
      () => found() !== null,
      timeoutMillis,
      `the module ${idOrName} is not ${readiness} after ${timeoutMillis} ms: is it running?`,
    );
    const connection = found();
    if (connection === null) throw new MeshError('NODE_CONNECTION_LOST', `the module ${idOrName} went away`);
    return connection;
  }

  /** Waits for a condition that a change of some module can make true. */
  until(isDone: () => boolean, timeoutMillis: number, message: string): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        isDone,
        resolve: () => {
          timer.cancel();
          resolve();
        },
      };
      const timer = this.#clock.after(timeoutMillis, () => {
        this.#waiters.delete(waiter);
        reject(new MeshError('NODE_REQUEST_TIMEOUT', message));
      });
      this.#waiters.add(waiter);
    });
  }

  /** Tells who waits that a module has done something. */
  changed(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isDone()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #localFor(target: string | null, method: string): LocalModule | null {
    for (const local of this.#local.values())
      if ((target === null || target === local.name) && local.methods.includes(method)) return local;
    return null;
  }

  #calleeFor(target: string | null, method: string): ModuleConnection | null {
    const hasMethod = (connection: ModuleConnection): boolean => connection.api?.methods.has(method) ?? false;
    if (target !== null) return this.find(target, hasMethod);
    for (const connection of this.#connected) if (hasMethod(connection)) return connection;
    return null;
  }
}

const IS_READY: { readonly [R in Readiness]: (connection: ModuleConnection) => boolean } = {
  connected: () => true,
  subscribed: (connection) => connection.subscriptions.size > 0,
  api: (connection) => connection.api !== null,
  cli: (connection) => connection.cliSpec !== null,
};

function wrongResult(kind: string): MeshError {
  return new MeshError('NODE_REQUEST_REFUSED', `the module answered an invocation with a ${kind} result`);
}
