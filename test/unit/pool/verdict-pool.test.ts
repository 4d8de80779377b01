// architecture.md, worker pool: what VerdictPool does beyond its contract: batches, bounds, lost workers, resizing.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason, reasonName } from '../../../src/core/reasons.js';
import { PACKET_TYPES } from '../../../src/packet/packet-type.js';
import { encodePacket, PACKET_VERSION } from '../../../src/packet/packet.js';
import { judged, type PacketSender, type PacketVerdict } from '../../../src/pool/judge-port.js';
import { VerdictPool, type VerdictPoolOptions } from '../../../src/pool/verdict-pool.js';
import { PlainFingerprinter } from '../../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../../src/replay/shared-table.js';
import { honestPacket } from '../../support/judge-trace.js';
import { testLog } from '../../support/log.js';
import { SOURCE, testPolicy } from '../../support/paid-packets.js';

const FAILING = new URL('../../support/failing-worker.mjs', import.meta.url);
const fromSource: PacketSender = { previousHop: SOURCE, origin: 'peer', peer: 'source' };
const secret = new SeededRandom(1).bytes(16);
const pools: VerdictPool[] = [];
let payments = 0;

async function startPool(options: Partial<VerdictPoolOptions> = {}): Promise<VerdictPool> {
  const table = SharedReplayTable.create(new PlainFingerprinter(secret), 4_096);
  const pool = await VerdictPool.start({
    workers: 1,
    policy: testPolicy(),
    table: table.memory,
    secret,
    log: testLog(),
    clock: new VirtualClock(),
    ...options,
  });
  pools.push(pool);
  return pool;
}

function paid(): Uint8Array {
  return encodePacket(honestPacket(900_000 + payments++));
}

/** The packets as one batch, in order. */
function judgeAll(pool: VerdictPool, packets: readonly Uint8Array[]): Promise<PacketVerdict[]> {
  return Promise.all(packets.map((bytes) => judged(pool, bytes, fromSource)));
}

function reasons(verdicts: readonly PacketVerdict[]): string[] {
  return verdicts.map(({ reason }) => reasonName(reason));
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

/** Junk that begins as a packet of type Paid. */
function paidLike(bytes: number): Uint8Array {
  const packet = new Uint8Array(bytes);
  packet.set([PACKET_VERSION, PACKET_TYPES.indexOf('Paid')]);
  return packet;
}

describe('verdict pool § batches', () => {
  it('gather what comes in one turn, up to their number of packets', async () => {
    const pool = await startPool({ batchPackets: 10, batchLingerMicros: 10_000_000 });
    await judgeAll(
      pool,
      [1, 2, 3, 4].map(() => new Uint8Array(9)),
    );
    expect(pool.stats().batches).toBe(1);
    await judgeAll(
      pool,
      Array.from({ length: 100 }, () => new Uint8Array(9)),
    );
    expect(pool.stats().batches).toBeGreaterThanOrEqual(11);
  });

  it('are judged within the turn that brings them where that takes longer than they may linger', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pool-'));
    const file = join(directory, 'once');
    writeFileSync(file, '');
    const pool = await startPool({ workerFile: FAILING, batchLingerMicros: 0 });
    const given = judgeAll(pool, [utf8(`once ${file}`), new Uint8Array(9)]);
    const deadline = performance.now() + 5_000;
    // The event loop does not get its turn: only the worker moves.
    while (existsSync(file) && performance.now() < deadline);
    expect(existsSync(file)).toBe(false);
    await given;
    rmSync(directory, { recursive: true });
  });

  it('take the largest packet, however few fit', async () => {
    const pool = await startPool();
    const large = [1, 2, 3].map(() => new Uint8Array(LIMITS.PACKET_BYTES));
    expect(new Set(reasons(await judgeAll(pool, large)))).toEqual(new Set(['TrailingBytes']));
    expect(pool.stats()).toMatchObject({ batches: 3, judged: 3 });
  });
});

describe('verdict pool § bounds', () => {
  it('refuses as Overloaded what one peer has no room for, judges the rest, and counts both', async () => {
    const pool = await startPool();
    const all = reasons(
      await judgeAll(
        pool,
        Array.from({ length: 6_000 }, () => paidLike(9)),
      ),
    );
    const taken = all.filter((reason) => reason !== 'Overloaded').length;
    expect(taken).toBeGreaterThanOrEqual(LIMITS.PEER_PACKETS_QUEUED);
    expect(taken).toBeLessThanOrEqual(
      LIMITS.PEER_PACKETS_QUEUED + LIMITS.BATCHES_PER_WORKER * LIMITS.BATCH_PACKETS,
    );
    expect(all.slice(0, taken)).not.toContain('Overloaded');
    expect(pool.stats()).toMatchObject({ judged: 6_000, queued: 0, inFlight: 0 });
    expect(pool.stats().byReason.get(Reason.Overloaded)).toBe(6_000 - taken);
  });

  it('tells the socket of a peer when to stop and when to go on, and no other', async () => {
    const pool = await startPool();
    const given: Promise<PacketVerdict>[] = [];
    while (!pool.isFull(fromSource.peer)) given.push(judged(pool, paidLike(9), fromSource));
    expect(pool.isFull('other')).toBe(false);
    await new Promise<void>((resolve) => {
      pool.onRoom(fromSource.peer, resolve);
    });
    expect(pool.isFull(fromSource.peer)).toBe(false);
    expect(reasons(await Promise.all(given))).not.toContain('Overloaded');
  });

  it('keeps room for paid packets under a flood of free ones', async () => {
    const pool = await startPool();
    const flood = judgeAll(
      pool,
      Array.from({ length: 5_000 }, () => new Uint8Array(9)),
    );
    const paid = judgeAll(
      pool,
      Array.from({ length: 1_000 }, () => paidLike(9)),
    );
    expect(reasons(await flood)).toContain('Overloaded');
    expect(reasons(await paid)).not.toContain('Overloaded');
  });
});

describe('verdict pool § lost workers', () => {
  it('tries a packet that kills its worker once more, refuses it then, and judges its whole batch', async () => {
    const pool = await startPool({ workerFile: FAILING });
    const verdicts = await judgeAll(pool, [paid(), paid(), utf8('judging'), paid(), utf8('?'), paid()]);
    expect(reasons(verdicts)).toEqual([
      'Accepted',
      'Accepted',
      'JudgeUnavailable',
      'Accepted',
      'Truncated',
      'Accepted',
    ]);
    expect(pool.stats()).toMatchObject({ judged: 6, workersLost: 2, batches: 3, queued: 0, inFlight: 0 });
  });

  it('gives a packet the verdict of the second worker when only the first was lost', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pool-'));
    const file = join(directory, 'once');
    writeFileSync(file, '');
    const pool = await startPool({ workerFile: FAILING, workers: 2 });
    const verdicts = await judgeAll(pool, [paid(), utf8(`once ${file}`), paid()]);
    rmSync(directory, { recursive: true });
    expect(verdicts.map(({ kind }) => kind)).toEqual(['paid', 'refused', 'paid']);
    expect(reasons(verdicts)[1]).not.toBe('JudgeUnavailable');
    expect(pool.stats().workersLost).toBe(1);
  });

  it('refuses a packet whose payment the lost worker may have claimed, without another try', async () => {
    const pool = await startPool({ workerFile: FAILING });
    const verdicts = await judgeAll(pool, [paid(), utf8('claiming'), paid()]);
    expect(reasons(verdicts)).toEqual(['Accepted', 'JudgeUnavailable', 'Accepted']);
    expect(pool.stats()).toMatchObject({ workersLost: 1, batches: 2 });
  });

  it('says that invoices were not read where the worker that read them is lost, and reads the next', async () => {
    const pool = await startPool({ workerFile: FAILING });
    const lost = judgeAll(pool, [utf8('judging')]);
    const read = pool.readInvoices(['no invoice']);
    expect(reasons(await lost)).toEqual(['JudgeUnavailable']);
    expect((await read).map(({ ok }) => ok)).toEqual([false]);
  });

  it('treats a judge that throws like a lost worker, and keeps the worker', async () => {
    const pool = await startPool({ workerFile: FAILING });
    const verdicts = await judgeAll(pool, [paid(), utf8('throw'), paid()]);
    expect(reasons(verdicts)).toEqual(['Accepted', 'JudgeUnavailable', 'Accepted']);
    expect(pool.stats().workersLost).toBe(0);
  });

  it('settles every packet when many of them kill workers', async () => {
    const pool = await startPool({ workerFile: FAILING, workers: 2 });
    const packets = Array.from({ length: 100 }, (_, i) => (i % 25 === 10 ? utf8('claiming') : paid()));
    const all = reasons(await judgeAll(pool, packets));
    expect(all.filter((reason) => reason === 'JudgeUnavailable')).toHaveLength(4);
    expect(all.filter((reason) => reason === 'Accepted')).toHaveLength(96);
  });

  it('finishes what it has before it closes, workers lost or not', async () => {
    const pool = await startPool({ workerFile: FAILING });
    const given = judgeAll(pool, [utf8('judging'), paid(), utf8('claiming'), paid()]);
    await pool.close();
    expect(reasons(await given)).toEqual(['JudgeUnavailable', 'Accepted', 'JudgeUnavailable', 'Accepted']);
  });

  it('says what to do when workers cannot start', async () => {
    const workerFile = new URL('file:///nowhere/worker.js');
    await expect(startPool({ workerFile })).rejects.toMatchObject({
      name: 'MeshError',
      code: 'WORKER_LOST',
      message: expect.stringContaining('npm run build') as string,
    });
  });
});

describe('verdict pool § resizing', () => {
  it('changes its workers under way; no packet is lost and none is judged twice', async () => {
    const pool = await startPool({ workers: 1 });
    const packets = Array.from({ length: 60 }, paid);
    const first = judgeAll(pool, packets.slice(0, 20));
    const growing = pool.reshape({ workers: 2 });
    const second = judgeAll(pool, packets.slice(20, 40));
    await growing;
    expect(pool.stats().workers).toBe(2);
    const shrinking = pool.reshape({ workers: 1 });
    const third = judgeAll(pool, packets.slice(40));
    await shrinking;
    const verdicts = [...(await first), ...(await second), ...(await third)];
    expect(verdicts.every(({ kind }) => kind === 'paid')).toBe(true);
    expect(new Set(reasons(await judgeAll(pool, packets)))).toEqual(new Set(['ReplayedPayment']));
    expect(pool.stats()).toMatchObject({ workers: 1, workersLost: 0, judged: 120 });
  });
});

describe('verdict pool § threads', () => {
  it('sleep while there is nothing to do', async () => {
    const program = fileURLToPath(new URL('../../support/judge-idle.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 15_000 });
    // Below 1 % where nothing else runs; a loop that polls takes all of a core.
    expect(Number(stdout)).toBeLessThan(10);
  });

  it('says at its start which secp256k1 its workers use', async () => {
    const log = testLog();
    await startPool({ log });
    expect(log.lines).toEqual([{ level: 'info', message: 'secp256k1 for invoice signatures' }]);
  });

  it('loads native libsecp256k1 on many threads that come and go, and on the main one beside bolt11', async () => {
    const program = fileURLToPath(new URL('../../support/curve-threads.mjs', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 15_000 });
    expect(stdout.trim()).toBe('native libsecp256k1');
  });
});
