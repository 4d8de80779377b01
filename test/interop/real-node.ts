// A real blvm-node in regtest, as a child process that takes commands on its standard input.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endLater, temporaryDirectory, waitFor } from '../support/mesh-process.js';
import { freePort } from '../../src/dev/free-port.js';

/** The built binary, or an empty text. */
export const REAL_NODE: string = process.env['BLVM_REAL_NODE'] ?? '';

const UP_MILLIS = 120_000;
const ANSWER_MILLIS = 60_000;

export interface RealNodeOptions {
  /** Of [module_resource_limits]; the node's own default where left out. */
  readonly moduleMemoryBytes?: number;
  /** What the node starts of its modules directory. */
  readonly enabledModules?: readonly string[];
  /** Where everything lies; a node that is started again on it has the same data and socket. */
  readonly work?: string;
}

export class RealNode {
  readonly work: string;
  readonly socketPath: string;
  log = '';
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #lines = '';

  /** Resolves when its module system listens. */
  static async start(options: RealNodeOptions = {}): Promise<RealNode> {
    const work = options.work ?? temporaryDirectory();
    for (const folder of ['modules', 'sock', 'data/modules', 'data/node']) {
      mkdirSync(join(work, folder), { recursive: true });
    }
    const config = join(work, 'node.toml');
    writeFileSync(config, configText(work, options));
    const node = new RealNode(work, config, [await freePort(), await freePort()]);
    await waitFor('the node listens for modules', () => node.#isUp(), UP_MILLIS);
    return node;
  }

  private constructor(work: string, config: string, ports: readonly number[]) {
    this.work = work;
    this.socketPath = join(work, 'sock', 'node.sock');
    const addresses = ports.map((port) => `127.0.0.1:${port}`);
    this.#process = spawn(REAL_NODE, [join(work, 'data/node'), ...addresses, config], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: work,
        BLVM_SERVE_ONLY: '1',
        BLVM_IBD_PEER_HEIGHT_WAIT_MS: '1',
        RUST_LOG: 'info',
      },
    });
    this.#ended = once(this.#process, 'close');
    this.#process.stdout?.on('data', (chunk: Buffer) => (this.#lines += chunk.toString()));
    this.#process.stderr?.on('data', (chunk: Buffer) => (this.log += chunk.toString()));
    this.#process.stdin?.on('error', () => undefined);
    endLater(() => this.kill());
  }

  /** Writes a command; resolves with the line that answers it. */
  async command(text: string): Promise<string> {
    const [command = '', method = ''] = text.split(' ');
    const name = command === 'call' ? method : command;
    const from = this.#lines.length;
    this.#process.stdin?.write(`${text}\n`);
    const answer = new RegExp(`^(?:OK ${name}|ERR).*$`, 'm');
    return waitFor(
      `the node answers ${name}`,
      () => answer.exec(this.#lines.slice(from))?.[0] ?? null,
      ANSWER_MILLIS,
    );
  }

  /** Ends it at once, as kill -9 does. */
  async kill(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL');
    await this.#ended;
  }

  /** The log of a module that the node started, wherever its data directory is; empty before there is one. */
  moduleLog(): string {
    const found = readdirSync(this.work, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('logs/mesh.log'),
    );
    return found.map((path) => readFileSync(join(this.work, path), 'utf8')).join('');
  }

  #isUp(): boolean {
    if (this.#process.exitCode !== null) throw new Error(`the node ended: ${this.log.slice(-2_000)}`);
    return this.log.includes('Module IPC server listening') && existsSync(this.socketPath);
  }
}

function configText(work: string, { moduleMemoryBytes, enabledModules = [] }: RealNodeOptions): string {
  const limits =
    moduleMemoryBytes === undefined
      ? []
      : ['[module_resource_limits]', `default_max_memory_bytes = ${moduleMemoryBytes}`];
  return [
    '[modules]',
    'enabled = true',
    `modules_dir = "${join(work, 'modules')}"`,
    `data_dir = "${join(work, 'data/modules')}"`,
    `socket_dir = "${join(work, 'sock')}"`,
    `enabled_modules = ${JSON.stringify(enabledModules)}`,
    'disabled_modules = ["blvm-miniscript", "blvm-zmq", "blvm-wallet-index"]',
    ...limits,
    '',
  ].join('\n');
}
