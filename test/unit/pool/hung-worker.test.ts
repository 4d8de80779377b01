// architecture.md, worker pool; style.md (every wait has a deadline): a worker that hangs keeps no packet waiting.
import { expect, it, vi } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import type * as Limits from '../../../src/core/limits.js';
import { reasonName } from '../../../src/core/reasons.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { judged } from '../../../src/pool/judge-port.js';
import { VerdictPool } from '../../../src/pool/verdict-pool.js';
import { PlainFingerprinter } from '../../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../../src/replay/shared-table.js';
import { honestPacket } from '../../support/judge-trace.js';
import { testLog } from '../../support/log.js';
import { SOURCE, testPolicy } from '../../support/paid-packets.js';

vi.mock('../../../src/core/limits.js', async (original) => {
  const module = await original<typeof Limits>();
  return { ...module, LIMITS: { ...module.LIMITS, WORKER_STALL_MILLIS: 700 } };
});

it('verdict pool › stops a worker that hangs, and goes on without the packet that did it', async () => {
  const secret = new Uint8Array(16);
  const pool = await VerdictPool.start({
    workers: 1,
    policy: testPolicy(),
    table: SharedReplayTable.create(new PlainFingerprinter(secret), 64).memory,
    secret,
    log: testLog(),
    clock: new VirtualClock(),
    workerFile: new URL('../../support/failing-worker.mjs', import.meta.url),
  });
  const packets = [encodePacket(honestPacket(1)), utf8('hang'), encodePacket(honestPacket(2))];
  const verdicts = await Promise.all(
    packets.map((bytes) => judged(pool, bytes, { previousHop: SOURCE, origin: 'peer', peer: 'source' })),
  );
  expect(verdicts.map(({ reason }) => reasonName(reason))).toEqual([
    'Accepted',
    'JudgeUnavailable',
    'Accepted',
  ]);
  expect(pool.stats().workersLost).toBe(2);
  await pool.close();
});
