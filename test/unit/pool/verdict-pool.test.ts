// architecture.md, worker pool: what VerdictPool does beyond its contract: batches, bounds, lost workers, resizing.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { reasonName } from '../../../src/core/reasons.js';
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
  it('packs what comes at once into one batch, up to its number of packets', async () => {
    const pool = await startPool();
    await judgeAll(
      pool,
      Array.from({ length: LIMITS.BATCH_PACKETS }, () => new Uint8Array(9)),
    );
    expect(pool.stats().batches).toBe(1);
    await judgeAll(
      pool,
      Array.from({ length: LIMITS.BATCH_PACKETS + 1 }, () => new Uint8Array(9)),
    );
    expect(pool.stats().batches).toBe(3);
  });

  it('packs up to its number of bytes, and takes the largest packet', async () => {
    const pool = await startPool();
    const verdicts = await judgeAll(
      pool,
      [1, 2, 3].map(() => new Uint8Array(LIMITS.PACKET_BYTES)),
    );
    expect(new Set(reasons(verdicts))).toEqual(new Set(['TrailingBytes']));
    expect(pool.stats()).toMatchObject({ batches: 3, judged: 3 });
  });

  it('refuses as Overloaded what the queue has no place for, and judges all the rest', async () => {
    const pool = await startPool();
    const room = LIMITS.PACKETS_QUEUED + LIMITS.BATCHES_PER_WORKER * LIMITS.BATCH_PACKETS;
    const all = reasons(
      await judgeAll(
        pool,
        Array.from({ length: room + 500 }, () => paidLike(9)),
      ),
    );
    expect(all.filter((reason) => reason === 'Overloaded')).toHaveLength(500);
    expect(all.slice(-500).every((reason) => reason === 'Overloaded')).toBe(true);
    expect(pool.stats()).toMatchObject({ judged: room + 500, queued: 0, inFlight: 0 });
  });

  it('bounds the bytes that wait as well', async () => {
    const pool = await startPool();
    const large = paidLike(LIMITS.PACKET_BYTES);
    const all = reasons(
      await judgeAll(
        pool,
        Array.from({ length: 100 }, () => large),
      ),
    );
    const waiting = Math.floor(LIMITS.PACKETS_QUEUED_BYTES / LIMITS.PACKET_BYTES) + LIMITS.BATCHES_PER_WORKER;
    expect(all.filter((reason) => reason === 'Overloaded')).toHaveLength(100 - waiting);
  });
});

describe('verdict pool § free packets', () => {
  it('take their share of the queue and leave the rest to paid ones', async () => {
    const pool = await startPool();
    const inBatches = LIMITS.BATCHES_PER_WORKER * LIMITS.BATCH_PACKETS;
    const share = (LIMITS.PACKETS_QUEUED * LIMITS.FREE_SHARE_PERCENT) / 100;
    const flood = Array.from({ length: inBatches + share + 500 }, () => new Uint8Array(9));
    const paid = Array.from({ length: LIMITS.PACKETS_QUEUED - share }, () => paidLike(9));
    const all = reasons(await judgeAll(pool, [...flood, ...paid]));
    expect(all.slice(0, flood.length).filter((reason) => reason === 'Overloaded')).toHaveLength(500);
    expect(all.slice(flood.length)).not.toContain('Overloaded');
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
    const growing = pool.resize(2);
    const second = judgeAll(pool, packets.slice(20, 40));
    await growing;
    expect(pool.stats().workers).toBe(2);
    const shrinking = pool.resize(1);
    const third = judgeAll(pool, packets.slice(40));
    await shrinking;
    const verdicts = [...(await first), ...(await second), ...(await third)];
    expect(verdicts.every(({ kind }) => kind === 'paid')).toBe(true);
    expect(new Set(reasons(await judgeAll(pool, packets)))).toEqual(new Set(['ReplayedPayment']));
    expect(pool.stats()).toMatchObject({ workers: 1, workersLost: 0, judged: 120 });
  });
});

describe('verdict pool § threads', () => {
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
