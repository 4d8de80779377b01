// Stands between a module and the node, and writes down every frame: one JSON line each, as in node-session.jsonl.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { toHex } from '../../src/core/bytes.js';
import { FrameReader } from '../../src/core/frame.js';
import { endLater, temporaryDirectory } from '../support/mesh-process.js';

/** Of the checkout; not committed. */
const FOLDER = fileURLToPath(new URL('../../interop-captures', import.meta.url));

/** One folder for each run. */
const RUN = new Date().toISOString().replaceAll(/[:.]/g, '-');

type From = 'module' | 'node';

export class WireTap {
  /** Where the module is to connect. */
  readonly path: string = join(temporaryDirectory(), 'tap.sock');
  readonly file: string;
  /** Connections that either end has closed. */
  closed = 0;
  readonly frames: Record<From, number> = { module: 0, node: 0 };
  readonly #target: string;
  readonly #out: number;
  readonly #server: Server;
  #last = { from: '', hex: '', times: 0 };
  /** Frames of the node since `watch` that hold its bytes. */
  watched = 0;
  #needle = '';

  /** @param name of the capture */
  static async open(name: string, target: string): Promise<WireTap> {
    const tap = new WireTap(name, target);
    tap.#server.listen(tap.path);
    await once(tap.#server, 'listening');
    endLater(() => {
      tap.close();
    });
    return tap;
  }

  private constructor(name: string, target: string) {
    this.#target = target;
    mkdirSync(join(FOLDER, RUN), { recursive: true });
    this.file = join(FOLDER, RUN, `${name}.jsonl`);
    this.#out = openSync(this.file, 'w');
    this.#server = createServer((module) => {
      const node = connect(this.#target);
      this.#pipe('module', module, node);
      this.#pipe('node', node, module);
    });
  }

  watch(bytes: Uint8Array): void {
    this.#needle = toHex(bytes);
    this.watched = 0;
  }

  close(): void {
    this.#server.close();
    this.#flush();
    closeSync(this.#out);
  }

  #pipe(from: From, source: Socket, target: Socket): void {
    const reader = new FrameReader();
    source.on('data', (chunk) => {
      reader.push(chunk, (body) => {
        this.frames[from]++;
        this.#note(from, toHex(body));
        return true;
      });
      if (!target.write(chunk)) {
        source.pause();
        target.once('drain', () => source.resume());
      }
    });
    source.on('error', () => undefined);
    source.on('close', () => {
      if (from === 'node') this.closed++;
      target.destroy();
    });
  }

  /** A frame that comes many times in a row is one line. */
  #note(from: From, hex: string): void {
    if (this.#needle !== '' && from === 'node' && hex.includes(this.#needle)) this.watched++;
    if (from === this.#last.from && hex === this.#last.hex) {
      this.#last.times++;
      return;
    }
    this.#flush();
    this.#last = { from, hex, times: 1 };
  }

  #flush(): void {
    const { from, hex, times } = this.#last;
    if (times > 0)
      writeSync(this.#out, `${JSON.stringify(times === 1 ? { from, hex } : { from, hex, times })}\n`);
    this.#last = { from: '', hex: '', times: 0 };
  }
}
