// architecture.md, worker pool; payments.md: both judges, one suite.
import { InlineJudge } from '../../../src/pool/inline-judge.js';
import { VerdictPool } from '../../../src/pool/verdict-pool.js';
import { packetJudgeContract } from '../../contract/packet-judge.js';
import { testLog } from '../../support/log.js';

packetJudgeContract('inline', (setUp) => Promise.resolve(new InlineJudge(setUp)));

packetJudgeContract('pool', ({ table, ...setUp }) =>
  VerdictPool.start({ ...setUp, table: table.memory, workers: 2, log: testLog() }),
);
