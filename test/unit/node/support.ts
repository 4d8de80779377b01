// A module's end of the test's node: connected, with its clock in the test's hand.
import { afterEach } from 'vitest';
import { systemClock, type VirtualClock } from '../../../src/core/clock.js';
import type { Log } from '../../../src/core/ports.js';
import { SeededRandom } from '../../../src/core/random.js';
import { ModuleIntegration, type ModuleIntegrationOptions } from '../../../src/node/module-integration.js';
import { TestServer, type ServerScript } from './server.js';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A log that tests read. */
export class MemoryLog implements Log {
  readonly lines: LogLine[] = [];

  log(level: string, message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    this.lines.push({ level, message, facts });
  }

  has(part: string): boolean {
    return this.lines.some(({ message }) => message.includes(part));
  }
}

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export async function startServer(script: ServerScript = {}): Promise<TestServer> {
  const server = await TestServer.start(script);
  cleanups.push(() => server.stop());
  return server;
}

export function optionsFor(
  server: TestServer,
  changes: Partial<ModuleIntegrationOptions> = {},
): ModuleIntegrationOptions {
  return {
    socketPath: server.path,
    moduleId: 'blvm-mesh',
    moduleName: 'blvm-mesh',
    version: '0.1.0',
    clock: systemClock,
    random: new SeededRandom(1),
    log: new MemoryLog(),
    requestsPerSecond: 100_000,
    ...changes,
  };
}

export async function connect(
  server: TestServer,
  changes: Partial<ModuleIntegrationOptions> = {},
): Promise<ModuleIntegration> {
  const integration = await ModuleIntegration.connect(optionsFor(server, changes));
  cleanups.push(() => integration.close());
  return integration;
}

/** Moves a virtual clock in small steps, with turns of the event loop between, until the condition holds. */
export async function advanceUntil(
  clock: VirtualClock,
  condition: () => boolean,
  what: string,
  stepMillis = 50,
  mostMillis = 600_000,
): Promise<void> {
  const end = clock.monotonicMillis() + mostMillis;
  for (;;) {
    // Sockets need turns of the event loop; a handful per step is enough for one exchange on this machine.
    for (let turn = 0; turn < 5; turn++) {
      if (condition()) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (clock.monotonicMillis() > end) throw new Error(`waited ${mostMillis} virtual ms in vain: ${what}`);
    clock.advance(stepMillis);
  }
}

/** The code of what a promise rejects with, or 'resolved'. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
