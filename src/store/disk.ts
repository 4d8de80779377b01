/**
 * What the journal needs of a disk, as a port: tests put a disk in its place that fails, writes short and loses
 * what was not synced.
 */
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from './durable-file.js';

/** One open file. Positions and lengths are bytes. Every method rejects with the system's error. */
export interface DiskFile {
  size(): Promise<number>;
  /** Fills the target from the position; returns fewer bytes than asked at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Writes from the position; may write fewer bytes than given. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  truncate(length: number): Promise<void>;
  /** Resolves when all that was written, and the length, are on the disk. */
  dataSync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Paths of the files whose path begins with `prefix`, in no order. The folder is that of the prefix. */
  list(prefix: string): Promise<readonly string[]>;
  /** Opens for reading and writing; null where there is no such file. */
  open(path: string): Promise<DiskFile | null>;
  /** An empty file, in place of one that is there. */
  create(path: string): Promise<DiskFile>;
  /** Replaces `to`, durably. */
  rename(from: string, to: string): Promise<void>;
  /** Also where there is no such file. */
  remove(path: string): Promise<void>;
}

/** The machine's own file system. Files are for this user alone. */
export const nodeDisk: Disk = {
  list: async (prefix) => {
    const folder = dirname(prefix);
    const names = await readdir(folder);
    return names.filter((name) => name.startsWith(basename(prefix))).map((name) => join(folder, name));
  },
  open: async (path) => {
    try {
      return diskFile(await open(path, 'r+'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  },
  create: async (path) => diskFile(await open(path, 'w+', 0o600)),
  rename: async (from, to) => {
    await rename(from, to);
    await syncFolder(dirname(to));
  },
  remove: (path) => rm(path, { force: true }),
};

function diskFile(handle: FileHandle): DiskFile {
  return {
    size: async () => (await handle.stat()).size,
    read: async (target, position) => (await handle.read(target, 0, target.length, position)).bytesRead,
    write: async (bytes, position) => (await handle.write(bytes, 0, bytes.length, position)).bytesWritten,
    truncate: (length) => handle.truncate(length),
    dataSync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

/** Writes everything, however short the single writes are. */
export async function writeAll(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const written = await file.write(bytes.subarray(done), position + done);
    if (written <= 0) throw new Error('the disk took no bytes');
    done += written;
  }
}

/** Fills the target as far as the file reaches; returns how far that is. */
export async function readFully(file: DiskFile, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const count = await file.read(target.subarray(done), position + done);
    if (count <= 0) break;
    done += count;
  }
  return done;
}
