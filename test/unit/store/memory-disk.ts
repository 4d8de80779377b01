// A disk in memory that can fail, write short, hang, and crash: what was not synced may then be there or not.
import type { Disk, DiskFile } from '../../../src/store/disk.js';

interface Content {
  /** What the process sees. */
  bytes: Uint8Array;
  /** What a crash surely leaves. */
  synced: Uint8Array;
}

export type Operation =
  'list' | 'open' | 'create' | 'rename' | 'remove' | 'read' | 'write' | 'truncate' | 'sync';

export class MemoryDisk implements Disk {
  readonly files = new Map<string, Content>();
  /** Called before each operation; what it throws is the disk's error, what it awaits delays the disk. */
  before: (operation: Operation) => void | Promise<void> = () => undefined;
  /** Most bytes that one write takes. */
  writeBytes = Number.POSITIVE_INFINITY;
  syncs = 0;

  async list(prefix: string): Promise<readonly string[]> {
    await this.before('list');
    return [...this.files.keys()].filter((path) => path.startsWith(prefix));
  }

  async open(path: string): Promise<DiskFile | null> {
    await this.before('open');
    const content = this.files.get(path);
    return content === undefined ? null : this.#file(content);
  }

  async create(path: string): Promise<DiskFile> {
    await this.before('create');
    const content: Content = { bytes: new Uint8Array(0), synced: new Uint8Array(0) };
    this.files.set(path, content);
    return this.#file(content);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.before('rename');
    const content = this.files.get(from);
    if (content === undefined) throw new Error('ENOENT');
    this.files.delete(from);
    this.files.set(to, content);
  }

  async remove(path: string): Promise<void> {
    await this.before('remove');
    this.files.delete(path);
  }

  /** The file's bytes as the process sees them. */
  contentOf(path: string): Uint8Array {
    return this.files.get(path)?.bytes ?? new Uint8Array(0);
  }

  /** Puts bytes on the disk. */
  put(path: string, bytes: Uint8Array): void {
    this.files.set(path, { bytes: bytes.slice(), synced: bytes.slice() });
  }

  /** What a crash leaves: of what was not synced, `keep` decides how the file looks. */
  crash(keep: (synced: Uint8Array, unsynced: Uint8Array) => Uint8Array): MemoryDisk {
    const after = new MemoryDisk();
    for (const [path, { bytes, synced }] of this.files) after.put(path, keep(synced, bytes));
    return after;
  }

  #file(content: Content): DiskFile {
    return {
      size: () => Promise.resolve(content.bytes.length),
      read: async (target, position) => {
        await this.before('read');
        const found = content.bytes.subarray(position, position + target.length);
        target.set(found);
        return found.length;
      },
      write: async (bytes, position) => {
        await this.before('write');
        const taken = bytes.subarray(0, this.writeBytes);
        const length = Math.max(content.bytes.length, position + taken.length);
        const grown = new Uint8Array(length);
        grown.set(content.bytes);
        grown.set(taken, position);
        content.bytes = grown;
        return taken.length;
      },
      truncate: async (length) => {
        await this.before('truncate');
        content.bytes = content.bytes.slice(0, length);
      },
      dataSync: async () => {
        await this.before('sync');
        this.syncs++;
        content.synced = content.bytes;
      },
      close: () => Promise.resolve(),
    };
  }
}
