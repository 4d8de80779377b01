// The data directory: one process at a time; a dead owner's lock is taken over, a live one's is not.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataDir } from '../../../src/store/data-dir.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-data-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const lockPath = (): string => join(folder, 'blvm-mesh.lock');

/** The id of a process that has ended. */
function deadPid(): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
    child.on('exit', () => {
      resolve(child.pid ?? 0);
    });
  });
}

describe('data directory', () => {
  it('is made with its parents, for this user alone', async () => {
    const dir = await openDataDir(join(folder, 'a', 'b'));
    expect(statSync(dir.path).mode & 0o077).toBe(0);
    expect(dir.file('x')).toBe(join(folder, 'a', 'b', 'x'));
    await dir.release();
  });

  it('refuses a second owner and names the first', async () => {
    const dir = await openDataDir(folder);
    const second = openDataDir(folder);
    await expect(second).rejects.toMatchObject({ code: 'DATA_DIR_UNUSABLE', facts: { pid: process.pid } });
    await expect(second).rejects.toThrow(`Process ${process.pid} already uses`);
    await dir.release();
    await (await openDataDir(folder)).release();
  });

  it('leaves nothing but its own files behind', async () => {
    const dir = await openDataDir(folder);
    expect(readdirSync(folder)).toEqual(['blvm-mesh.lock']);
    await dir.release();
    await dir.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('gives one of many racing starts the lock, also over a stale one', async () => {
    writeFileSync(lockPath(), JSON.stringify({ pid: await deadPid() }));
    const starts = await Promise.allSettled(Array.from({ length: 20 }, () => openDataDir(folder)));
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(['blvm-mesh.lock']);
  });

  it.each<[string, () => Promise<string>]>([
    ['a process that has ended', async () => JSON.stringify({ pid: await deadPid() })],
    [
      'a process whose id another has now',
      () => Promise.resolve(JSON.stringify({ pid: process.pid, startedAt: '1' })),
    ],
    ['an earlier boot', () => Promise.resolve(JSON.stringify({ pid: process.pid, boot: 'earlier' }))],
    ['nobody: torn text', () => Promise.resolve('{"pid":')],
    ['nobody: another text', () => Promise.resolve('[]')],
    ['nobody: no process id', () => Promise.resolve('{"pid":-1}')],
  ])('takes over the lock of %s', async (_, content) => {
    writeFileSync(lockPath(), await content());
    const dir = await openDataDir(folder);
    expect(JSON.parse(readFileSync(lockPath(), 'utf8'))).toMatchObject({ pid: process.pid });
    await dir.release();
  });

  it('does not take over the lock of a live process that says no more than its id', async () => {
    writeFileSync(lockPath(), JSON.stringify({ pid: process.pid }));
    await expect(openDataDir(folder)).rejects.toMatchObject({ code: 'DATA_DIR_UNUSABLE' });
  });

  it('does not release a lock that is not its own any more', async () => {
    const dir = await openDataDir(folder);
    writeFileSync(lockPath(), 'another');
    await dir.release();
    expect(readFileSync(lockPath(), 'utf8')).toBe('another');
  });

  it('refuses a path that is a file', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(openDataDir(join(folder, 'file'))).rejects.toMatchObject({ code: 'DATA_DIR_UNUSABLE' });
  });
});
