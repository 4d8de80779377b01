// What the module needs of its host: node-ipc.md, 2. The launcher's own numbers must be the same.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { hostLimits, isRoomForOthers, workersThatFit, type HostLimits } from '../../../src/config/host.js';
import { LIMITS } from '../../../src/core/limits.js';
import { textOf } from '../../support/imports.js';

const MIB = 1_048_576;
const FREE: HostLimits = { addressBytes: Infinity, threads: Infinity, files: Infinity, threadsOfOthers: 0 };
const NODES_DEFAULT: HostLimits = { addressBytes: 512 * MIB, threads: 10, files: 256, threadsOfOthers: 0 };

const made: string[] = [];

afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** A /proc with this process, as user 7, and others. */
function proc(limits: string, others: readonly (readonly [user: number, threads: number])[]): string {
  const path = mkdtempSync(join(tmpdir(), 'blvm-mesh-proc-'));
  made.push(path);
  const add = (name: string, pid: number, user: number, threads: number): void => {
    mkdirSync(join(path, name));
    const lines = [`Name:\tnode`, `Pid:\t${pid}`, `Uid:\t${user}\t0\t0\t0`, `Threads:\t${threads}`];
    writeFileSync(join(path, name, 'status'), `${lines.join('\n')}\n`);
  };
  add('self', 100, 7, 4);
  add('100', 100, 7, 4);
  for (const [index, [user, threads]] of others.entries())
    add(String(200 + index), 200 + index, user, threads);
  mkdirSync(join(path, 'sys'));
  writeFileSync(join(path, 'self', 'limits'), limits);
  return path;
}

describe('host › limits', () => {
  it('are the soft ones of this process, and threads of its user elsewhere count', () => {
    const limits = [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max processes             10                   20                   processes ',
      'Max open files            256                  4096                 files     ',
      'Max address space         536870912            unlimited            bytes     ',
    ];
    expect(
      hostLimits(
        proc(limits.join('\n'), [
          [7, 3],
          [8, 50],
          [7, 1],
        ]),
      ),
    ).toEqual({ addressBytes: 536_870_912, threads: 10, files: 256, threadsOfOthers: 4 });
  });

  it('are none where the system tells none', () => {
    expect(hostLimits('/nowhere')).toEqual(FREE);
    expect(hostLimits(proc('Max address space         unlimited  unlimited  bytes', []))).toEqual(FREE);
  });
});

describe('host › workers that fit', () => {
  it('are those that are wanted where there is no limit', () => {
    expect(workersThatFit(64, FREE)).toBe(64);
  });

  it('are as many as address space, threads and files leave room for', () => {
    const room = { addressBytes: 1_024 * MIB, threads: 10, files: 256, threadsOfOthers: 0 };
    expect(workersThatFit(2, room)).toBe(2);
    expect(workersThatFit(64, room)).toBe(4);
    expect(workersThatFit(64, { ...room, threadsOfOthers: 2 })).toBe(2);
    expect(workersThatFit(64, { ...FREE, addressBytes: 894 * MIB })).toBe(2);
    expect(workersThatFit(64, { ...FREE, files: LIMITS.HOST_FILES + 3 * LIMITS.HOST_WORKER_FILES })).toBe(3);
  });

  it('are started beside those that run, where there is room for both', () => {
    const room = { addressBytes: 1_024 * MIB, threads: 10, files: 256, threadsOfOthers: 0 };
    expect([isRoomForOthers(2, 2, room), isRoomForOthers(3, 2, room)]).toEqual([true, false]);
    expect(isRoomForOthers(64, 64, FREE)).toBe(true);
  });

  it('are refused with the setting, what was found and what is needed where there is room for none', () => {
    const refusal = (limits: HostLimits): unknown => {
      try {
        return workersThatFit(1, limits);
      } catch (error) {
        return error;
      }
    };
    expect(refusal(NODES_DEFAULT)).toMatchObject({
      code: 'HOST_TOO_SMALL',
      facts: { setting: 'default_max_memory_bytes', found: 512 * MIB, needed: 848 * MIB },
      message:
        'the host allows 512 MiB of address space; the least that works is 848 MiB. Set default_max_memory_bytes = ' +
        "889192448 or more in [module_resource_limits] of the node's configuration.",
    });
    expect(refusal({ ...FREE, threads: 10, threadsOfOthers: 30 })).toMatchObject({
      facts: { setting: 'default_max_child_processes', found: 10, needed: 37 },
    });
    expect(refusal({ ...FREE, files: 20 })).toMatchObject({
      facts: { setting: 'default_max_file_descriptors', found: 20, needed: 52 },
    });
  });

  it('are judged by the same numbers in bin/blvm-mesh', () => {
    const launcher = textOf('bin/blvm-mesh');
    const number = (name: string): number =>
      Number(new RegExp(`^${name}=(\\d+)`, 'm').exec(launcher)?.[1] ?? Number.NaN);
    expect(number('LEAST_ADDRESS_MIB') * MIB).toBe(
      LIMITS.HOST_ADDRESS_BYTES + LIMITS.HOST_WORKER_ADDRESS_BYTES,
    );
    expect(number('LEAST_THREADS')).toBe(LIMITS.HOST_THREADS + 1);
    expect(number('LEAST_FILES')).toBe(LIMITS.HOST_FILES + LIMITS.HOST_WORKER_FILES);
  });
});
