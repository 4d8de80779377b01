// The compiled command line in child processes. All of them are ended, and what they left is removed, by `endAll`.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The compiled command line. */
export const CLI: string = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const POLL_MILLIS = 5;
const STOP_MILLIS = 5_000;

const enders: (() => unknown)[] = [];

/** Has something ended by `endAll`. */
export function endLater(end: () => unknown): void {
  enders.push(end);
}

/** Ends everything that was started since the last time, newest first. */
export async function endAll(): Promise<void> {
  for (let end = enders.pop(); end !== undefined; end = enders.pop()) await end();
}

/** A fresh directory, removed by `endAll`. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'blvm-mesh-e2e-'));
  endLater(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** Looks until the probe gives something other than null and false; fails loudly after the deadline. */
export async function waitFor<T>(
  what: string,
  probe: () => T | null | false | Promise<T | null | false>,
  deadlineMillis = 10_000,
): Promise<T> {
  const until = performance.now() + deadlineMillis;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== false) return found;
    if (performance.now() > until) throw new Error(`waited ${deadlineMillis} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
}

export interface CliOptions {
  /** Started in place of Node.js with the command line's file. */
  readonly command?: readonly [string, ...(readonly string[])];
  /** On top of PATH and HOME: nothing else of the test's own environment reaches the child. */
  readonly env?: Readonly<Record<string, string>>;
  /** What the child reads; left out, its standard input is closed from the start. */
  readonly stdin?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One child process. Its standard output and error are pipes, as a node gives them. */
export class MeshProcess {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(
    args: readonly string[],
    { command: [file, ...before] = [process.execPath, CLI], env = {}, stdin }: CliOptions = {},
  ) {
    const { PATH = '', HOME = '' } = process.env;
    this.process = spawn(file, [...before, ...args], {
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { PATH, HOME, ...env },
    });
    this.process.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.process.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    // A child that is done may close its input before it has read everything.
    this.process.stdin?.on('error', () => undefined);
    this.process.stdin?.end(stdin);
    this.ended = once(this.process, 'close').then(() => ({
      code: this.process.exitCode,
      signal: this.process.signalCode,
    }));
    endLater(() => this.stop());
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Ends it as an operator would, and by force where that does not help. */
  async stop(): Promise<Ended> {
    if (this.isAlive) this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MILLIS);
    const ended = await this.ended;
    clearTimeout(timer);
    return ended;
  }

  /** Ends it at once, as a node or the system does. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** Runs a command to its end. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<Ended & { readonly stdout: string; readonly stderr: string }> {
  const child = new MeshProcess(args, options);
  const ended = await child.ended;
  return { ...ended, stdout: child.stdout, stderr: child.stderr };
}
