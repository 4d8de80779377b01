/** Memory of this process, once what is no longer used was given back. */
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const COLLECTIONS = 3;
const PAUSE_MILLIS = 50;

/** Resident, in bytes. */
export async function residentBytes(): Promise<number> {
  await collect();
  return process.memoryUsage.rss();
}

/** What the objects and arrays of this thread take, in bytes. */
export async function heapBytes(): Promise<number> {
  await collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function collect(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let i = 0; i < COLLECTIONS; i++) {
    gc();
    await pause(PAUSE_MILLIS);
  }
}
